// The whole way through a running anteroom: a small crowd opens a protected page, waits, has its turn, presses the
// button and reaches the portal; some of it without script. Run it against a room with a low rate, so that people wait.
// usage: node flow.mjs URL-OF-A-PROTECTED-PAGE [VISITORS]
import { violations } from './axe.mjs';
import { done, launch, ok } from './browser.mjs';
import { until } from './stand.mjs';

const address = process.argv[2] ?? process.env.BASE_URL;
const visitors = Number(process.argv[3] ?? 6);
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 180_000);
if (!address) throw new Error('usage: node flow.mjs URL [VISITORS]');

const browser = await launch();
// A page of which only the head has come is not the portal's yet.
const isOurs = (page) => page.evaluate(() => document.readyState === 'loading' || document.querySelector('main #wr') !== null);
const stateOf = (page) => page.getAttribute('#wr', 'data-state');
const placeOf = async (page) => {
  const shown = page.locator('[data-t=place]');
  return (await shown.count()) ? Number((await shown.first().textContent()).replace(/\D/g, '')) : null;
};

async function visit(index) {
  const javaScriptEnabled = index % 3 !== 2;
  const who = `visitor ${index}${javaScriptEnabled ? '' : ' without script'}`;
  const context = await browser.newContext({ javaScriptEnabled, locale: index % 2 ? 'it-IT' : 'en-GB' });
  const page = await context.newPage();
  const errors = [];
  const foreign = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => { if (new URL(request.url()).origin !== new URL(address).origin) foreign.push(request.url()); });
  await page.goto(address);
  const states = [];
  let last = Infinity;
  let inside = false;
  const step = async () => {
    if (!(await isOurs(page).catch(() => true))) { inside = true; return true; }
    const state = await stateOf(page).catch(() => null);
    if (state && states.at(-1) !== state) {
      states.push(state);
      if (javaScriptEnabled && state === 'waiting') {
        const language = await page.getAttribute('html', 'lang');
        ok(language === (index % 2 ? 'it' : 'en'), `${who}: ${language}`);
      }
    }
    const place = await placeOf(page).catch(() => null);
    if (place !== null) { ok(place <= last, `${who}: place rose from ${last} to ${place}`); last = place; }
    const button = page.locator('form[action$="/enter"] button');
    if (['turn', 'late', 'returning'].includes(state) && (await button.count())) {
      await button.first().click({ timeout: 5_000 }).catch(() => {});
    } else if (!javaScriptEnabled) {
      // What somebody without script does: continue where it says so, else look again.
      await new Promise((resolve) => { setTimeout(resolve, 1_000); });
      if (await button.count()) await button.first().click().catch(() => {});
      else await page.goto(address);
    }
    return false;
  };
  await until(step, PATIENCE_MS);
  ok(inside, `${who}: ended in ${states.join(' → ')}`);
  ok(errors.length === 0, `${who}: ${errors}`);
  ok(foreign.length === 0, `${who}: asked others: ${foreign}`);
  const title = await page.title();
  await page.goto(address);
  ok(!(await isOurs(page)), `${who}: is not sent back to wait`);
  console.log(`${who}: ${states.join(' → ') || 'went straight in'} → ${title}`);
  await context.close();
  return states.length > 0;
}

// The live page, once somebody waits: as accessible as the rendered ones.
async function inspect() {
  const context = await browser.newContext({ viewport: { width: 360, height: 640 } });
  const page = await context.newPage();
  const response = await page.goto(address);
  if (await isOurs(page)) {
    ok(response.status() === 200, `the page's status is ${response.status()}`);
    ok(/no-store/.test(response.headers()['cache-control']), 'the page is not stored');
    ok(Boolean(response.headers()['anteroom-state']), 'the state is in a header');
    ok(/sha256-/.test(response.headers()['content-security-policy']), 'the policy is sent');
    const found = await violations(page);
    ok(found.length === 0, `the live page: ${found.join('\n')}`);
  }
  await context.close();
}

const waited = await Promise.all(Array.from({ length: visitors }, (_, index) => visit(index)).concat(inspect()));
ok(waited.some(Boolean), 'somebody had to wait');
await browser.close();
done();
