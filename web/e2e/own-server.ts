import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A server with nothing in it, for what the shared one cannot show: its set-up, and tokens of a minute. */
export interface OwnServer { url: string; folder: string; stop(): Promise<void> }

const READY_MS = 60_000;

export async function startServer(settings: Record<string, string> = {}): Promise<OwnServer> {
  const program = process.env.TELLEE_PROGRAM;
  if (!program) throw new Error("set TELLEE_PROGRAM to the program `tellee`");
  const home = mkdtempSync(join(tmpdir(), "tellee-own-"));
  const folder = join(home, "data");
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TELLEE_")));
  const server = spawn(program, ["serve", "--data-dir", folder, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"], {
    env: { ...clean, TELLEE_ML__ENABLED: "false", ...settings }, stdio: ["ignore", "pipe", "pipe"],
  });
  const url = await readyUrl(server).catch((cause: unknown) => {
    server.kill("SIGKILL");
    throw cause;
  });
  return {
    url, folder,
    async stop() {
      const ended = new Promise((done) => server.once("exit", done));
      server.kill("SIGTERM");
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The ready line is the first on stdout; the last words of stderr say why there is none. */
function readyUrl(server: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    let words = "";
    const { stdout, stderr } = server;
    if (!stdout || !stderr) return fail(new Error("the server has no output"));
    const timer = setTimeout(() => fail(new Error(`the server does not get ready: ${words}`)), READY_MS);
    stderr.on("data", (part: Buffer) => { words = (words + part.toString()).slice(-2000); });
    server.once("exit", (status) => fail(new Error(`the server ended with ${status}: ${words}`)));
    createInterface({ input: stdout }).once("line", (line) => {
      clearTimeout(timer);
      done(`http://${(JSON.parse(line) as { http: string }).http}`);
    });
  });
}
