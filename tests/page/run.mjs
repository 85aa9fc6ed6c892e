// Runs of a page: first weights, orders, steps, going back. In: a folder with the library, a module
// and jobs. Out: what each run shows, as JSON.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , web, folder, mode] = process.argv;
const load = (name) => import(pathToFileURL(join(web, name)));
const { Engine } = await load("engine.js");
const { Trainer } = await load("trainer.js");
const { order } = await load("random.js");
const library = JSON.parse(readFileSync(join(folder, "library.json"), "utf8"));
const module = new WebAssembly.Module(readFileSync(join(folder, `${mode}.wasm`)));
const hex = (trainer) => Buffer.from(new Uint8Array(trainer.network.weights().buffer)).toString("hex");

const jobs = JSON.parse(readFileSync(join(folder, "jobs.json"), "utf8"));
const results = jobs.map((job) => {
  if (job.orders) {
    const engine = new Engine(module, library);
    return job.orders.map(([n, seed, epoch]) => [...order(engine, n, BigInt(seed), epoch)]);
  }
  const trainer = new Trainer(new Engine(module, library), job.spec, job.table);
  const weights = [hex(trainer)];
  for (const [verb, argument] of job.script) {
    trainer[verb](argument);
    weights.push(hex(trainer));
  }
  return { weights, losses: trainer.losses, step: trainer.step, memory: trainer.engine.end };
});
writeFileSync(join(folder, "results.json"), JSON.stringify(results));
