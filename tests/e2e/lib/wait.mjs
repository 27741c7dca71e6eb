// Bounded waiting. Nothing in these tests waits without a limit.
import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

/** Resolves as `promise` does, or rejects after `ms` naming `what`. */
export async function within(ms, what, promise) {
  const clock = new AbortController();
  const late = sleep(ms, undefined, { signal: clock.signal }).then(() => {
    throw new Error(`${what}: not within ${ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    clock.abort();
  }
}

/** Polls until `condition()` is truthy and returns that value. */
export async function until(ms, what, condition) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
    await sleep(20);
  }
}
