// What leaves the page: a Python program, tables, a link.

/** A Python program that does the run again. @param {any} first @param {any[]} entries @param {number} step */
export function pythonScript(first, entries, step) {
  const names = ["table", "layers", "loss", "optimizer", "lr", "batch", "seed", "initializer"];
  const layers = first.layers.map((/** @type {any} */ own) => ({ activation: own.activation, width: own.width }));
  const changes = entries.map((own) => ({ ...own, ...(own.weights ? { weights: [...own.weights] } : {}) }));
  const run = { ...Object.fromEntries(names.map((name) => [name, first[name]])), layers, entries: changes };
  const lines = Object.entries(run).map(([name, value]) => `    "${name}": ${JSON.stringify(value)},`);
  return [
    `# The network of the page after ${step} steps, again: the same weights, bit by bit.`,
    "from glassnet.page.replay import replay", "", "run = {", ...lines, "}",
    `model = replay(run, steps=${step})`, "print(model.W)", "",
  ].join("\n");
}

/** The losses of the steps, as CSV. @param {[number, number][]} losses */
export const lossesCsv = (losses) => ["step,loss", ...losses.map(([step, loss]) => `${step},${loss}`), ""].join("\n");

/** The parameters, as CSV. @param {{name: string, shape: number[], value: number[]}[]} parameters */
export function weightsCsv(parameters) {
  const lines = parameters.flatMap(({ name, shape, value }) =>
    value.map((number, i) => {
      const place = shape.length === 2 ? `${Math.floor(i / shape[1])},${i % shape[1]}` : `,${i}`;
      return `${name},${place},${number}`;
    }),
  );
  return ["parameter,from,to,value", ...lines, ""].join("\n");
}

/** Let the browser save a file. @param {string} name @param {BlobPart} content @param {string} type */
export function download(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
