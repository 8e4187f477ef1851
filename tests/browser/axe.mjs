// What axe-core finds on a page: WCAG 2.2 A, AA and AAA as far as a program can tell.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const RULES = {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag2aaa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  rules: {
    'color-contrast-enhanced': { enabled: true },
    'target-size': { enabled: true },
    'meta-refresh-no-exceptions': { enabled: true },
    'identical-links-same-purpose': { enabled: true },
  },
};

// In the dark only the colours differ.
export const COLOURS = { runOnly: { type: 'rule', values: ['color-contrast', 'color-contrast-enhanced', 'link-in-text-block'] } };

// By the debugger and not by a script of the page: the page's own policy stays in force, and allows none.
export async function violations(page, rules = RULES) {
  const debug = await page.context().newCDPSession(page);
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await debug.send('Runtime.evaluate',
      { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await evaluate(`${axe};0`);
  const found = await evaluate(`axe.run(document, ${JSON.stringify(rules)}).then((all) => all.violations.map(
    (one) => one.id + ': ' + one.nodes[0].target + ' ' + one.nodes[0].failureSummary))`);
  await debug.detach();
  return found;
}

// The same for a page whose scripts do not run, where axe cannot run either: its markup as that browser shows it, with
// what is inside <noscript>, is looked at in a page of its own.
export async function violationsWithoutScript(page, rules = RULES) {
  const html = (await page.content()).replace(/<script>[\s\S]*?<\/script>/g, '').replace(/<(\/?)noscript>/g, '<$1div>');
  const context = await page.context().browser().newContext({ viewport: page.viewportSize() });
  const copy = await context.newPage();
  await copy.setContent(html);
  const found = await violations(copy, rules);
  await context.close();
  return found;
}
