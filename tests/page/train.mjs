// Trains networks as a page does. In: a folder with the library, a module and jobs. Out: their
// weights, as hexadecimal bytes, and their last losses.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , web, folder, mode] = process.argv;
const { Engine } = await import(pathToFileURL(join(web, "engine.js")));
const { Network } = await import(pathToFileURL(join(web, "network.js")));
const library = JSON.parse(readFileSync(join(folder, "library.json"), "utf8"));
const module = new WebAssembly.Module(readFileSync(join(folder, `${mode}.wasm`)));
const jobs = JSON.parse(readFileSync(join(folder, "jobs.json"), "utf8"));
const results = jobs.map(({ spec, weights, x, y, rows, batches }) => {
  const network = new Network(new Engine(module, library), spec);
  network.setWeights(weights);
  network.setData(x, y, rows);
  const losses = batches.map((batch) => network.train(batch));
  const bytes = new Uint8Array(network.weights().buffer);
  return { weights: Buffer.from(bytes).toString("hex"), loss: losses[losses.length - 1] };
});
writeFileSync(join(folder, "results.json"), JSON.stringify(results));
