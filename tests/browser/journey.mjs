// A visitor's whole way through the real thing: the waiting page with its number, the turn, the button, the portal; with
// script and without, and by itself where the room says so. The test that starts this is asked for what others do.
// usage: node journey.mjs ADDRESS
import { violations, violationsWithoutScript } from './axe.mjs';
import { done, launch, ok } from './browser.mjs';
import { director } from './director.mjs';
import { until } from './stand.mjs';

const address = process.argv[2];
// A page asks again within seconds, and refreshes every minute without script; a machine may be busy.
const PATIENCE_MS = 150_000;
const please = director();
const browser = await launch();
const stateOf = (page) => page.getAttribute('#wr', 'data-state', { timeout: 1_000 }).catch(() => null);
const isIn = (page) => page.textContent('h1').then((text) => text === 'the portal', () => false);
const numberOf = (response) => Number(response.headers()['anteroom-number']);
const placeOf = async (page) => Number(await page.textContent('[data-t=place]'));

// A visitor, and everything that must not happen to it meanwhile.
async function visitor(who, options = {}) {
  const context = await browser.newContext({ viewport: { width: 360, height: 640 }, locale: 'en-GB', ...options });
  const strange = [];
  const posts = [];
  context.on('page', (page) => page.on('pageerror', (error) => strange.push(error.message)));
  context.on('console', (line) => { if (line.type() === 'error') strange.push(line.text()); });
  context.on('request', (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith('data:')) strange.push(request.url());
    if (request.method() === 'POST') posts.push(new URL(request.url()).pathname);
  });
  const leave = async () => {
    ok(strange.length === 0, `${who}: ${strange.join('; ')}`);
    await context.close();
  };
  return { who, context, posts, leave, look: options.javaScriptEnabled === false ? violationsWithoutScript : violations };
}

async function accessible({ who, look }, page, state) {
  const found = await look(page);
  ok(found.length === 0, `${who}: ${state}: ${found.join('\n')}`);
}

// Opens the portal's page and meets the waiting page; a refresh and a second tab keep the number. Both tabs.
async function waits(one, path) {
  const { who, context } = one;
  const page = await context.newPage();
  const first = await page.goto(address + path);
  ok(first.status() === 200 && /no-store/.test(first.headers()['cache-control']), `${who}: how the page comes`);
  ok(await stateOf(page) === 'waiting', `${who}: ${await stateOf(page)} instead of waiting`);
  const number = numberOf(first);
  const place = await placeOf(page);
  ok(number > place && place > 1, `${who}: number ${number}, place ${place}`);
  const agree = async () => (await page.title()).startsWith(`(${await placeOf(page)}) `);
  ok(await until(agree, PATIENCE_MS), `${who}: ${await page.title()}`);
  await accessible(one, page, 'waiting');
  ok(numberOf(await page.reload()) === number, `${who}: a refresh keeps the number`);
  const second = await context.newPage();
  ok(numberOf(await second.goto(address + path)) === number, `${who}: a second tab has the same number`);
  ok(await placeOf(second) <= place, `${who}: and the same place`);
  ok(await placeOf(page) <= place, `${who}: its place does not rise`);
  return { page, second };
}

// The turn comes to a page that is left alone.
async function turns(one, page) {
  ok(await until(async () => await stateOf(page) === 'turn', PATIENCE_MS), `${one.who}: ${await stateOf(page)} instead of a turn`);
  ok((await page.title()).startsWith('✔'), `${one.who}: ${await page.title()}`);
  await accessible(one, page, 'turn');
}

{ // the button
  const script = await visitor('with script');
  const plain = await visitor('without script', { javaScriptEnabled: false });
  await please('crowd main 10');
  const slow = await waits(plain, '/booking/?step=2');
  ok(await slow.page.isVisible('noscript p'), `${plain.who}: is told that the page stands still`);
  // Whoever presses a link looks at the page it leads to, and not at the one before it.
  const leadsTo = (search) => Promise.all([
    slow.page.waitForResponse((response) => new URL(response.url()).search === search, { timeout: PATIENCE_MS }),
    slow.page.waitForURL((url) => url.search === search, { timeout: PATIENCE_MS }),
    slow.page.click('noscript a'),
  ]);
  const [refreshing] = await leadsTo('?step=2&auto=60');
  ok(refreshing.headers().refresh === '60', `${plain.who}: switches on a refresh`);
  await leadsTo('?step=2');
  ok(new URL(slow.page.url()).search === '?step=2', `${plain.who}: switches it off`);
  await leadsTo('?step=2&auto=60');
  const quick = await waits(script, '/booking/?step=1');

  await please('pace main 30/min');
  await turns(script, quick.page);
  await turns(plain, slow.page);
  await please('press main');
  await quick.page.press('button.go', 'Enter');
  await slow.page.click('button.go');
  // Both at once: neither of them waits here for long.
  await Promise.all([[script, quick.page], [plain, slow.page]].map(async ([one, page]) => {
    ok(await until(async () => await stateOf(page) === 'entering', PATIENCE_MS), `${one.who}: ${await stateOf(page)} instead of entering`);
    await accessible(one, page, 'entering');
  }));

  ok(await until(() => isIn(quick.page), PATIENCE_MS), `${script.who}: goes in`);
  ok(quick.page.url() === `${address}/booking/?step=1`, `${script.who}: is at ${quick.page.url()}`);
  ok(await until(() => isIn(quick.second), PATIENCE_MS), `${script.who}: the other tab goes in as well`);
  const pressed = async () => {
    if (await isIn(slow.page)) return true;
    await slow.page.click('form[action$="/enter"] button', { timeout: 5_000 }).catch(() => {});
    return false;
  };
  ok(await until(pressed, PATIENCE_MS), `${plain.who}: goes in`);
  // The refresh that was switched on came with the address; the portal's page has nothing of it.
  ok(slow.page.url() === `${address}/booking/?step=2`, `${plain.who}: is at ${slow.page.url()}`);
  await slow.second.reload();
  ok(await isIn(slow.second), `${plain.who}: the other tab is in as well`);
  await script.leave();
  await plain.leave();
}
{ // enter = "auto": nobody presses anything
  const one = await visitor('by itself');
  await please('crowd auto 5');
  const { page, second } = await waits(one, '/auto/');
  await second.close();
  await please('pace auto 30/min');
  ok(await until(() => isIn(page), PATIENCE_MS), `${one.who}: ends in ${await stateOf(page)}`);
  ok(page.url() === `${address}/auto/`, `${one.who}: is at ${page.url()}`);
  ok(one.posts.join() === '/.anteroom/auto/enter', `${one.who}: sent ${one.posts}`);
  await one.leave();
}
await browser.close();
done();
process.stdin.destroy();
