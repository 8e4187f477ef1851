// A stand-in for anteroom that serves rendered pages under their real policy, and lets a test say what a poll answers.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

export async function stand(folder) {
  const csp = readFileSync(join(folder, 'csp.txt'), 'utf8');
  const html = (scene) => readFileSync(join(folder, `${scene}.html`), 'utf8');
  const state = { scene: 'waiting.en', status: null, fail: 0, retryAfter: null, polls: [], posts: [], gets: 0, first: 250 };

  // What a poll is answered: the panel of a rendered scene, and the given fields over it.
  state.answer = (scene, fields = {}, text = {}) => {
    const page = html(scene);
    const panel = page.match(/<div id="wr"[^>]*>([\s\S]*)<\/div>\s*<\/main>/)[1];
    const title = page.match(/<title>([\s\S]*?)<\/title>/)[1];
    state.status = {
      v: 1, state: scene.split('.')[0], final: false, number: 9620, serving: 8385, place: 1235, poll_ms: 250,
      say_id: 'half', panel, ...fields, text: { title, ...text },
    };
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://stand.test');
    if (url.pathname.endsWith('/status')) {
      state.polls.push({ at: Date.now(), have: url.searchParams.get('have'), lang: url.searchParams.get('lang') });
      if (state.fail) {
        if (state.retryAfter) response.setHeader('Retry-After', state.retryAfter);
        response.writeHead(state.fail).end('no');
        return;
      }
      const have = url.searchParams.get('have');
      const own = state.status.panel?.match(/data-have="([^"]*)"/)?.[1];
      const body = { ...state.status, panel: have === own ? null : state.status.panel };
      response.setHeader('Content-Type', 'application/json').setHeader('Cache-Control', 'no-store');
      response.end(JSON.stringify(body));
      return;
    }
    if (request.method === 'POST') {
      state.posts.push({ path: url.pathname, origin: request.headers.origin });
      response.writeHead(303, { Location: '/portal' }).end();
      return;
    }
    response.setHeader('Content-Type', 'text/html; charset=utf-8').setHeader('Cache-Control', 'no-store');
    if (url.pathname === '/portal') {
      response.end('<!doctype html><html lang=en><title>portal</title><h1>the portal</h1>');
      return;
    }
    state.gets += 1;
    response.setHeader('Content-Security-Policy', csp).setHeader('Referrer-Policy', 'same-origin');
    response.end(html(state.scene).replace(/data-first="\d+"/, `data-first="${state.first}"`));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  state.url = `http://127.0.0.1:${server.address().port}/booking/?step=1`;
  state.close = () => server.close();
  return state;
}

// Waits until `condition` holds; false when it does not in time.
export async function until(condition, ms = 60_000) {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if (await condition()) return true;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  return false;
}
