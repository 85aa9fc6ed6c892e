// Tables as a page reads them. In: a folder with jobs. Out: for each the table, or what is wrong.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , web, folder] = process.argv;
const { readCsv } = await import(pathToFileURL(join(web, "csv.js")));
const { tableOf } = await import(pathToFileURL(join(web, "columns.js")));
const hex = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("hex");

const jobs = JSON.parse(readFileSync(join(folder, "jobs.json"), "utf8"));
const results = jobs.map(({ text, target, wanted }) => {
  try {
    const { table, columns, notes, exact } = tableOf(readCsv(text), target, "table", wanted ?? null);
    return { ...table, x: hex(table.x), y: hex(table.y), kinds: columns, notes, exact };
  } catch (error) {
    return { error: error.message };
  }
});
writeFileSync(join(folder, "results.json"), JSON.stringify(results));
