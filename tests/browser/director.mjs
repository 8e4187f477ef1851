// Lets a script ask the test that started it for what others do, and wait until that is done.
import { createInterface } from 'node:readline';

export function director() {
  setTimeout(() => { console.log('FAIL not over in ten minutes'); process.exit(1); }, 600_000).unref();
  const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  return async function please(order) {
    console.log(`please ${order}`);
    const { value } = await answers.next();
    if (value !== 'done') throw new Error(`${order}: ${value ?? 'nobody there'}`);
  };
}
