// A headless Chromium: Debian's, installed when it is missing.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Page, chromium } from "playwright-core";

import { type TestHooks, onEnd } from "./support.js";

/** So slow may a busy machine be. */
const PATIENCE_MS = 120_000;

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

function executable(): string {
  const found = PATHS.find((path) => existsSync(path));
  if (found !== undefined) return found;
  // Under a lock: several test files may miss it at once, and apt waits for nobody.
  const apt = `${process.getuid?.() === 0 ? "" : "sudo "}env DEBIAN_FRONTEND=noninteractive apt-get`;
  const install = `${apt} install -y -qq --no-install-recommends chromium`;
  const script = `test -e ${PATHS[0]} || { ${apt} update -qq && ${install}; }`;
  execFileSync("flock", [join(tmpdir(), "millrace-chromium.lock"), "sh", "-c", script], {
    stdio: "ignore",
  });
  return PATHS[0] as string;
}

/** A page; what it logs as an error fails the test. */
export async function openPage(t: TestHooks): Promise<Page> {
  const browser = await chromium.launch({
    executablePath: executable(),
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    timeout: PATIENCE_MS,
  });
  onEnd(t, () => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => {
    throw error;
  });
  return page;
}
