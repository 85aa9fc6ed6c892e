// Random search, gradient descent and weights set by hand, compared for equal numbers of passes.

import { chart } from "./charts.js";
import { element, shown } from "./format.js";

const PIECES = 20; // of a race; the curves are drawn after each
const SPAN = 2; // weights are drawn from −SPAN to SPAN
const CUBE = 0.2; // the side of the cube around a draw that counts as searched

/**
 * @typedef {{passes: number, tries: number, random: [number, number][], descent: [number, number][],
 *   hand: [number, number][]}} Race the least loss so far, by passes
 */

/** A race that has not begun. @param {any} page @returns {Race} */
const begun = ({ snapshot: { loss } }) => ({ passes: 0, tries: 0, random: [], descent: [[0, loss]], hand: [[0, loss]] });

/** @type {import("./panels.js").Panel} */
export const racePanel = {
  name: "race",
  title: "Random search",
  show(page, place) {
    /** @type {Race} */ const race = (page.race ??= begun(page));
    const count = page.snapshot.weights.length;
    const best = (/** @type {[number, number][]} */ line) => Math.min(...line.map(([, loss]) => loss));
    const row = (/** @type {string} */ who, /** @type {number} */ passes, /** @type {number} */ loss, /** @type {string} */ colour) => {
      const key = element("span", { class: "dot", "aria-hidden": "true" });
      key.style.background = colour;
      return element("tr", {}, element("th", { scope: "row" }, key, who), element("td", {}, String(passes)), element("td", {}, Number.isFinite(loss) ? shown(loss) : "–"));
    };
    const lines = [["random search", race.random, "var(--neg)"], ["gradient descent", race.descent, "var(--pos)"], ["by hand", race.hand, "var(--mark)"]];
    const methods = /** @type {[string, [number, number][], string][]} */ (lines);
    place.replaceChildren(
      element("p", {}, `${count} weights. Random search draws all of them between −${SPAN} and ${SPAN} and keeps the best draw. Gradient descent takes one step per pass, from the current weights. Each weight that you set under “By hand” counts as one pass. The loss is that of all training rows.`),
      element("div", { class: "row" }, ...[100, 1000, 10000].map((n) => element("button", { onclick: () => run(page, n) }, `run ${n} passes`)),
        element("button", { onclick: () => { page.race = undefined; return page.showPanel(); }, disabled: !race.passes && !race.tries }, "start again")),
      element("div", { class: "two" },
        element("div", {}, chart(methods.map(([name, points, colour], i) => ({ name, points, colour, dash: ["6 3", "", "2 3"][i] })), { label: "The lowest loss so far by forward passes, for random search, gradient descent and weights set by hand", log: true, from: "0", to: `${Math.max(race.passes, race.tries, 1)} passes` })),
        element("div", {}, element("table", { class: "plain" },
          element("thead", {}, element("tr", {}, ...["method", "forward passes", "lowest loss"].map((t) => element("th", {}, t)))),
          element("tbody", {}, ...methods.map(([name, points, colour]) => row(name, name === "by hand" ? race.tries : race.passes, best(points), colour)))),
        element("p", {}, race.passes ? volume(race.passes, count) : "Press a button to start."))),
    );
  },
};

/** How much of the cube has been searched. @param {number} passes @param {number} count */
function volume(passes, count) {
  const share = passes * (CUBE / (2 * SPAN)) ** count;
  return `If each draw searched a cube with sides of ${CUBE} around it, the draws so far would cover ${shown(share)} of the cube from −${SPAN} to ${SPAN} in ${count} dimensions.`;
}

/** Random search and as many steps of gradient descent. @param {any} page @param {number} passes */
async function run(page, passes) {
  /** @type {Race} */ const race = page.race;
  for (let i = 0; i < PIECES && page.race === race && !page.snapshot.stopped; i++) {
    const { loss } = await page.thread.ask("race", { passes: passes / PIECES });
    await page.ask("train", { steps: passes / PIECES });
    race.passes += passes / PIECES;
    note(race.random, race.passes, loss);
    note(race.descent, race.passes, page.snapshot.loss);
    await page.showPanel();
  }
}

/** The least loss so far. @param {[number, number][]} line @param {number} at @param {number} loss */
function note(line, at, loss) {
  line.push([at, Math.min(loss, line[line.length - 1]?.[1] ?? Infinity)]);
}

/** A weight was set by hand. @param {any} page */
export function noteTry(page) {
  /** @type {Race} */ const race = (page.race ??= begun(page));
  race.tries += 1;
  note(race.hand, race.tries, page.snapshot.loss);
}
