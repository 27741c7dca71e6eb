// Bounded waiting for something that events make true.

export const LIMIT = Number(process.env.MCPLB_TEST_LIMIT_MS ?? 5000);

export class Signal {
  #listeners = new Set();

  changed() {
    for (const listener of [...this.#listeners]) listener();
  }

  // Resolves with the first value of check() that is neither undefined nor false.
  until(check, what, limit = LIMIT) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        this.#listeners.delete(attempt);
      };
      const attempt = () => {
        try {
          const value = check();
          if (value === undefined || value === false) return;
          stop();
          resolve(value);
        } catch (error) {
          stop();
          reject(error);
        }
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`waited ${limit} ms for ${typeof what === 'function' ? what() : what}`));
      }, limit);
      this.#listeners.add(attempt);
      attempt();
    });
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// For things that have no event to wait for, such as a counter behind the admin API.
export async function poll(check, what, { limit = LIMIT, every = 20 } = {}) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end)
      throw new Error(`polled ${limit} ms for ${typeof what === 'function' ? what() : what}`);
    await pause(every);
  }
}
