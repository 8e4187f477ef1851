// One headless Chromium, and a tally of checks.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export function launch() {
  const executablePath = process.env.CHROMIUM ?? PLACES.find(existsSync);
  if (!executablePath) throw new Error('no Chromium found: set CHROMIUM to its path');
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
