// Screenshots to look at: every scene on a phone and a desktop, light and dark, and forced colours for one.
// usage: node shots.mjs FOLDER OUTPUT [SCENE…]
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { done, launch, ok } from './browser.mjs';

const [folder, output, ...only] = process.argv.slice(2);
const SIZES = [['phone', 360, 640], ['desktop', 1280, 800]];
mkdirSync(output, { recursive: true });
const browser = await launch();
const files = readdirSync(folder).filter((name) => name.endsWith('.html'))
  .filter((name) => only.length === 0 || only.includes(name.split('.')[0]));
for (const file of files) {
  for (const [device, width, height] of SIZES) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme, bypassCSP: true });
      const page = await context.newPage();
      const html = readFileSync(join(folder, file), 'utf8').replace(' data-auto>', '>').replace(' data-pending>', '>');
      await page.setContent(html);
      const path = join(output, `${file.replace('.html', '')}.${device}.${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true });
      ok(true);
      await context.close();
    }
  }
}
const context = await browser.newContext({ viewport: { width: 360, height: 640 }, forcedColors: 'active' });
const page = await context.newPage();
await page.setContent(readFileSync(join(folder, 'waiting.en.html'), 'utf8'));
await page.screenshot({ path: join(output, 'waiting.en.phone.forced.png') });
await browser.close();
done();
