// Runs compiled kernels. In: a JSON file that names modules, images of memory and the numbers of a
// call. Out: the images, overwritten by what memory holds after the call.
import { readFileSync, writeFileSync } from "node:fs";

const { memories } = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const { module, image, call } of memories) {
  const bytes = readFileSync(image);
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes.length / 65536) });
  const imports = { env: { __linear_memory: memory } };
  const { instance } = await WebAssembly.instantiate(readFileSync(module), imports);
  const view = new Uint8Array(memory.buffer);
  view.set(bytes);
  const { table, sizes, first, last, scratch } = call;
  instance.exports.run(table, sizes, BigInt(first), BigInt(last), 0n, 1n, 0, scratch);
  writeFileSync(image, view.subarray(0, bytes.length));
}
