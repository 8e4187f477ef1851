// One headless Chromium, and a tally of checks.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export function launch() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const places = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const executablePath = process.env.CHROMIUM ?? places.find((place) => existsSync(place));
  if (!executablePath) throw new Error(`no Chromium on the path (${NAMES.join(', ')}): install one, or set CHROMIUM to where it is`);
  return chromium.launch({ executablePath, args: FLAGS });
}

let failed = 0;
let passed = 0;

export function ok(condition, what) {
  if (condition) passed += 1;
  else { failed += 1; console.log(`FAIL ${what}`); }
}

// Says how it went; the process fails when a check did.
export function done() {
  console.log(`${passed} checks passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}
