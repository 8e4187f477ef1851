// What the page's script does over time: counts down, speaks rarely, keeps focus, survives an outage, goes in.
// usage: node client.mjs FOLDER
import { done, launch, ok } from './browser.mjs';
import { stand, until } from './stand.mjs';

const browser = await launch();
const room = await stand(process.argv[2]);

async function open(scene, prepare = async () => {}, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(error.message));
  page.on('console', (line) => { if (line.type() === 'error') page.errors.push(line.text()); });
  await prepare(page);
  room.scene = scene;
  room.polls.length = 0;
  room.posts.length = 0;
  room.gets = 0;
  room.fail = 0;
  await page.goto(room.url);
  return page;
}
const spoken = (page) => page.textContent('#say');
const place = (page) => page.textContent('[data-t=place]');
async function close(page, what, allowed = /^$/) {
  const errors = page.errors.filter((error) => !allowed.test(error));
  ok(errors.length === 0, `${what}: ${errors}`);
  await page.context().close();
}

{ // the number falls, silently, and the title with it
  room.answer('waiting.en', { place: 1234 }, { place: '1,234', ahead: '1,233 people are ahead of you', title: '(1,234) Queue', say: 'half way' });
  const page = await open('waiting.en');
  ok(await until(async () => (await place(page)) === '1,234'), 'the number falls');
  ok(await page.title() === '(1,234) Queue', 'the title carries the number');
  ok(await page.evaluate(() => document.getElementById('bar').value) === 4120 - 1234, 'the bar follows');
  ok(room.polls[0].have.startsWith('waiting~') && room.polls[0].lang === 'en', 'a poll says what it has');
  ok(await spoken(page) === '', 'a milestone reached before the page was opened is not spoken');
  room.answer('waiting.en', { place: 1000, say_id: '1000' }, { place: '1,000', say: 'You are number 1,000.' });
  ok(await until(async () => (await spoken(page)) === 'You are number 1,000.'), 'a new milestone is spoken');
  room.answer('waiting.en', { place: 900, say_id: 'quarter' }, { place: '900', say: 'You are number 900.' });
  ok(await until(async () => (await place(page)) === '900'), 'the number goes on falling');
  ok(await spoken(page) === 'You are number 1,000.', 'the next milestone within five minutes is not');

  // stop updates: numbers stand still, the turn still comes through
  await page.click('#freeze');
  ok(await page.getAttribute('#freeze', 'aria-pressed') === 'true' && await page.isVisible('#frozen'), 'stopping is confirmed');
  room.answer('waiting.en', { place: 800, say_id: 'quarter' }, { place: '800', say: '' });
  const polls = room.polls.length;
  await until(() => room.polls.length > polls + 2);
  ok(await place(page) === '900', 'stopped updates change nothing');
  room.answer('turn.en', { say_id: 'turn' }, { say: 'It is your turn.' });
  ok(await until(() => page.isVisible('button.go')), 'the turn is shown even so');
  ok(await page.textContent('#now') === 'It is your turn.', 'and spoken at once');
  ok(await page.evaluate(() => document.activeElement === document.getElementById('h')), 'focus that was in the panel goes to its heading');
  ok((await page.title()).startsWith('✔'), 'the title shows the turn');
  await page.click('button.go');
  await page.waitForURL('**/portal', { timeout: 60_000 });
  ok(room.posts[0].path.endsWith('/enter') && room.posts[0].origin === new URL(room.url).origin, 'the button posts with its origin');
  await close(page, 'errors while waiting');
}
{ // focus outside the panel stays; open questions and ticked boxes survive a new panel
  room.answer('waiting.en', { say_id: 'half' });
  const page = await open('waiting.en');
  await page.click('summary');
  await page.check('#alert');
  await page.focus('nav a');
  room.answer('waiting-slower.en', { state: 'waiting', say_id: 'half-slower' }, { say: 'The wait is longer.' });
  ok(await until(() => page.isVisible('.note:not(#conn)')), 'a note is added');
  ok(await page.evaluate(() => document.activeElement.closest('nav') !== null), 'focus outside the panel is left alone');
  ok(await page.isChecked('#alert'), 'the sound stays on');
  ok(await page.evaluate(() => document.querySelector('details').open), 'an open question stays open');
  room.answer('sold-out.en', { final: true, say_id: 'sold-out' }, { say: 'No more.' });
  ok(await until(async () => (await page.textContent('#now')) === 'No more.'), 'sold out is spoken at once');
  const polls = room.polls.length;
  await new Promise((resolve) => { setTimeout(resolve, 1500); });
  ok(room.polls.length === polls, 'a final state asks no more');
  await close(page, 'errors with notes');
}
{ // an outage: the banner after two failures, everything shown stays, Retry-After is a floor
  room.answer('waiting.en');
  const page = await open('waiting.en');
  await until(() => room.polls.length > 1);
  room.fail = 503;
  const before = await place(page);
  ok(await until(() => page.isVisible('#conn'), 40_000), 'the banner comes');
  ok((await spoken(page)).includes('cannot be reached'), 'and is spoken');
  ok(await place(page) === before, 'the number stays');
  room.fail = 0;
  ok(await until(async () => !(await page.isVisible('#conn')), 60_000), 'the banner goes');
  ok((await spoken(page)).includes('connected again'), 'and that is spoken');
  room.retryAfter = '3';
  room.fail = 429;
  const count = room.polls.length;
  await until(() => room.polls.length > count);
  const failed = room.polls.at(-1).at;
  await until(() => room.polls.length > count + 1, 60_000);
  ok(room.polls.at(-1).at - failed >= 5_000, 'Retry-After is waited for');
  room.fail = 0;
  room.retryAfter = null;
  await close(page, 'errors in an outage', /status of (503|429)/);
}
{ // going in: by itself when the pass is there, once
  room.answer('entered.en', { final: true, say_id: 'entered' });
  const page = await open('entering.en');
  await page.waitForURL('**/portal', { timeout: 60_000 });
  ok(room.posts.filter((post) => post.path.endsWith('/enter')).length === 1, 'a pass is fetched by itself');
  await close(page, 'errors going in');
  room.answer('turn-auto.en', { state: 'turn', say_id: 'turn' }, { say: 'It is your turn.' });
  const auto = await open('waiting.en');
  await auto.waitForURL('**/portal', { timeout: 60_000 });
  ok(room.posts.length === 1, 'enter = "auto" presses the button');
  await close(auto, 'errors going in by itself');
}
{ // no number yet: the page comes back by itself, with no poll
  const page = await open('pending.en');
  ok(await until(() => room.gets > 1), 'a page without a number comes back');
  ok(room.polls.length === 0, 'and asks for no status');
  await close(page, 'errors without a number');
}
{ // an old page and a new server
  room.answer('waiting.en', { v: 2 });
  const page = await open('waiting.en', (opened) => opened.addInitScript(() => { Math.random = () => 0; }));
  ok(await until(() => room.gets > 1), 'another version reloads the page');
  await close(page, 'errors with another version');
}
{ // no sound, no notifications, no storage, no fetch
  room.answer('waiting.en', { place: 7 }, { place: '7' });
  const page = await open('waiting.en', (opened) => opened.addInitScript(() => {
    for (const name of ['fetch', 'Notification', 'AudioContext', 'webkitAudioContext', 'localStorage', 'sessionStorage']) {
      Object.defineProperty(window, name, { value: undefined });
    }
  }));
  await page.check('#alert');
  ok(await until(async () => (await place(page)) === '7'), 'an old browser counts as well');
  await close(page, 'errors in an old browser');
}
{ // no script: nothing on the page is dead
  const page = await open('waiting.en', async () => {}, { javaScriptEnabled: false });
  ok(!(await page.isVisible('#freeze')) && !(await page.isVisible('#alert')), 'no control without a use');
  ok(await page.isVisible('#check') && (await page.content()).includes('auto=60'), 'checking and a refresh are offered');
  await page.context().close();
  const turn = await open('turn.en', async () => {}, { javaScriptEnabled: false });
  await turn.click('button.go');
  await turn.waitForURL('**/portal', { timeout: 60_000 }).catch(() => {});
  ok(turn.url().endsWith('/portal'), 'the button needs no script');
  await turn.context().close();
}
{ // a crowd spreads its polls: no two tabs keep step
  room.answer('waiting.en');
  room.first = 2_000;
  const pages = [];
  for (let count = 0; count < 12; count += 1) pages.push(await open('waiting.en'));
  const opened = Date.now();
  room.polls.length = 0;
  await until(() => room.polls.length >= 12);
  const times = room.polls.slice(0, 12).map((poll) => poll.at - opened).sort((a, b) => a - b);
  ok(times.at(-1) - times[0] > 200, `polls spread over ${times.at(-1) - times[0]} ms`);
  for (const page of pages) await page.context().close();
}
room.close();
await browser.close();
done();
