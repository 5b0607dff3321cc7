// A headless Chromium: Debian's, installed when it is missing.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { TestContext } from "node:test";

import { type Page, chromium } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

function executable(): string {
  const found = PATHS.find((path) => existsSync(path));
  if (found !== undefined) return found;
  const sudo = process.getuid?.() === 0 ? [] : ["sudo"];
  for (const words of [
    ["apt-get", "update", "-qq"],
    ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
  ]) {
    const [command, ...rest] = [...sudo, "env", "DEBIAN_FRONTEND=noninteractive", ...words];
    execFileSync(command as string, rest, { stdio: "ignore" });
  }
  return PATHS[0] as string;
}

/** A page; what it logs as an error fails the test. */
export async function openPage(t: TestContext): Promise<Page> {
  const browser = await chromium.launch({
    executablePath: executable(),
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => {
    throw error;
  });
  return page;
}
