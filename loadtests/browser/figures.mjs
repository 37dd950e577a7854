// What the figures were taken on.
import { cpus, release, totalmem } from "node:os";

export function machine() {
  const processors = cpus();
  return { kernel: release(), processor: processors[0]?.model ?? "unknown", cores: processors.length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version };
}
