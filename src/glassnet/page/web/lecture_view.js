// The lecture: stations with one idea, one thing to try and one question each.
//
// In: the texts of a language. Out: a panel.

import { element } from "./format.js";

/**
 * @typedef {{title: string, idea: string, try: string, question: string, options: string[],
 *   answer: number, why: string, setup: {table: string, layers: [string, number][], optimizer?: string,
 *   lr?: number, train: number, panel: string}}} Station
 */

/** @type {{name: string, title: string, show: (page: any, place: any) => void}} */
export const lecturePanel = {
  name: "lecture",
  title: "Lecture",
  show(page, place) {
    const { lecture } = page;
    const number = page.station ?? 0;
    /** @type {Station} */ const station = lecture.stations[number];
    const go = (/** @type {number} */ by) => {
      page.station = number + by;
      void page.showPanel();
    };
    const count = `${number + 1} / ${lecture.stations.length}`;
    const answered = element("p", { role: "status", class: "sel" });
    place.replaceChildren(
      element("h3", {}, `${count}  ${station.title}`),
      element("p", { class: "idea" }, station.idea),
      element("p", {}, station.try),
      element("div", { class: "row" },
        element("button", { onclick: () => go(-1), disabled: number === 0 }, `← ${lecture.previous}`),
        element("button", { onclick: () => page.setUp(station.setup) }, lecture.setUp),
        element("button", { onclick: () => go(1), disabled: number === lecture.stations.length - 1 }, `${lecture.next} →`)),
      question(station, lecture, answered), answered,
    );
  },
};

/** @param {Station} station @param {any} lecture @param {any} answered */
function question(station, lecture, answered) {
  const options = station.options.map((text, i) => {
    const field = element("input", { type: "radio", name: "answer", value: i, id: `answer-${i}` });
    return element("div", { class: "option" }, field, element("label", { for: `answer-${i}` }, text));
  });
  const form = element("form", {}, element("fieldset", {}, element("legend", {}, station.question), ...options), element("button", {}, lecture.check));
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const chosen = new FormData(form).get("answer");
    if (chosen === null) return;
    const right = Number(chosen) === station.answer;
    answered.textContent = right ? `${lecture.right} ${station.why}` : lecture.wrong;
  });
  return form;
}
