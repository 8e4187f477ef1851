// Every rendered page: WCAG 2.2 A, AA and AAA as far as axe can tell, light and dark; reflow; size; what axe misses.
// usage: node pages.mjs FOLDER
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parse } from 'acorn';
import { COLOURS, violations } from './axe.mjs';
import { done, launch, ok } from './browser.mjs';

const folder = process.argv[2];
const GZIP_MAX = 9 * 1024;

const files = readdirSync(folder).filter((name) => name.endsWith('.html')).sort();
const browser = await launch();

async function open(options, html) {
  const context = await browser.newContext({ bypassCSP: true, ...options });
  const page = await context.newPage();
  const requests = [];
  page.on('request', (request) => { if (!request.url().startsWith('data:')) requests.push(request.url()); });
  await page.route('http://page.test/**', (route) => {
    if (route.request().isNavigationRequest()) return route.fulfill({ contentType: 'text/html', body: html });
    return route.abort();
  });
  await page.goto('http://page.test/');
  return { context, page, requests };
}

// The checks are worth something only if they find what is planted.
{
  const { context, page } = await open({}, '<!doctype html><html lang=en><title>x</title>'
    + '<meta http-equiv=refresh content=20><main><h1>h</h1><p style="color:#777">low</p></main>');
  const found = (await violations(page)).join(' ');
  ok(/color-contrast/.test(found) && /meta-refresh/.test(found), 'axe finds planted faults');
  await context.close();
}

for (const file of files) {
  // Without what makes a page go on by itself.
  const html = readFileSync(join(folder, file), 'utf8').replace(' data-auto>', '>').replace(' data-pending>', '>');
  const size = gzipSync(html, { level: 6 }).length;
  ok(size <= GZIP_MAX, `${file}: ${size} bytes compressed`);
  const script = html.match(/<script>([\s\S]*?)<\/script>/);
  if (script) {
    try { parse(script[1], { ecmaVersion: 5 }); ok(true); } catch (error) { ok(false, `${file}: ${error.message}`); }
  }
  for (const colorScheme of ['light', 'dark']) {
    const { context, page, requests } = await open({ colorScheme, viewport: { width: 360, height: 740 } }, html);
    const found = await violations(page, colorScheme === 'dark' ? COLOURS : undefined);
    ok(found.length === 0, `${file} ${colorScheme}: ${found.join('\n')}`);
    ok(requests.length === 1, `${file}: ${requests}`);
    if (colorScheme === 'light') {
      const own = await page.evaluate(() => ({
        headings: document.querySelectorAll('h1').length,
        unnamed: [...document.querySelectorAll('progress')].filter((bar) => !bar.getAttribute('aria-label')).length,
        spoken: [...document.querySelectorAll('[role=status],[role=alert]')].map((region) => region.textContent).join(''),
        small: [...document.querySelectorAll('a,button,summary,label,input:not([type=hidden])')].filter((target) => {
          const box = target.getBoundingClientRect();
          return box.width && (box.height < 24 || box.width < 24) && !target.closest('p,label');
        }).map((target) => target.textContent.trim()),
        buttons: [...document.querySelectorAll('button,.btn,.go,summary')].filter((target) => {
          const box = target.getBoundingClientRect();
          return box.width && box.height < 44;
        }).map((target) => target.textContent.trim()),
      }));
      ok(own.headings === 1, `${file}: ${own.headings} headings`);
      ok(own.unnamed === 0, `${file}: a bar without a name`);
      ok(own.spoken === '', `${file}: speaks at load: ${own.spoken}`);
      ok(own.small.length === 0, `${file}: too small to press: ${own.small}`);
      ok(own.buttons.length === 0, `${file}: buttons below 44 px: ${own.buttons}`);
    }
    await context.close();
  }
  // Nothing to scroll sideways at 320 px, nor with text at 200 %, nor with wide letters and lines (SC 1.4.12).
  const { context, page } = await open({ viewport: { width: 320, height: 640 } }, html);
  const wide = await page.evaluate(() => {
    const width = () => document.documentElement.scrollWidth;
    const widths = [width()];
    document.documentElement.style.fontSize = '225%';
    widths.push(width());
    document.documentElement.style.fontSize = '';
    const spacing = document.createElement('style');
    spacing.textContent = '*{line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important}';
    document.head.append(spacing);
    widths.push(width());
    return widths;
  });
  ok(wide.every((width) => width <= 320), `${file}: ${wide} px wide at 320`);
  await context.close();
}
await browser.close();
done();
