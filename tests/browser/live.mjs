// Pictures of a running anteroom: each state is brought about by the test that starts this, and met by a real visitor.
// usage: node live.mjs ADDRESS OUTPUT ADDRESS-WITHOUT-STORE
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { director } from './director.mjs';
import { done, launch, ok } from './browser.mjs';
import { until } from './stand.mjs';

const [address, output, away] = process.argv.slice(2);
const SIZES = [['phone', 360, 640], ['desktop', 1280, 800]];
const PATIENCE_MS = 60_000;
mkdirSync(output, { recursive: true });
const please = director();
const browser = await launch();

const open = async (locale, path, where = address) => {
  const context = await browser.newContext({ locale });
  const page = await context.newPage();
  await page.goto(where + path);
  return page;
};
const stateOf = (page) => page.getAttribute('#wr', 'data-state', { timeout: 1_000 }).catch(() => null);

// The page as it is now in both languages' tabs; every size and colour scheme, what one sees first and all of it.
async function take(name, pages) {
  for (const [lang, page] of pages) {
    for (const [device, width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        const path = join(output, `${name}.${lang}.${device}.${colorScheme}.png`);
        await page.screenshot({ path, fullPage: true });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        ok(wide <= width, `${name}.${lang}: ${wide} px wide at ${width}`);
      }
    }
  }
}
async function reach(state, pages) {
  for (const [, page] of pages) ok(await until(async () => await stateOf(page) === state, PATIENCE_MS), `${await stateOf(page)} instead of ${state}`);
}

await please('crowd main 10');
const both = [['en', await open('en-GB', '/booking/?step=1')], ['it', await open('it-IT', '/booking/?step=1')]];
await take('waiting', both);
await please('mode main paused');
await reach('paused', both);
await take('paused', both);
await please('mode main open');
await please('pace main 20/min');
await reach('turn', both);
await take('turn', both);
await please('press main');
for (const [, page] of both) await page.click('button.go');
await reach('entering', both);
await take('entering', both);
for (const [, page] of both) ok(await until(() => page.textContent('h1').then((text) => text === 'the portal', () => false), PATIENCE_MS), 'in');
await please('stop main');
for (const [, page] of both) await page.reload();
await take('origin-down', both);
await please('mode main closed');
const late = [['en', await open('en-GB', '/booking/')], ['it', await open('it-IT', '/booking/')]];
await take('closed', late);
const newcomers = [['en', await open('en-GB', '/booking/', away)], ['it', await open('it-IT', '/booking/', away)]];
await take('pending', newcomers);
await browser.close();
done();
process.stdin.destroy();
