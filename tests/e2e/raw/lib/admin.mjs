// Commands to the admin API, with every header in the tests' hands.

import { request } from './bytes.mjs';
import { RawClient } from './raw_client.mjs';

export const JSON_TYPE = ['Content-Type', 'application/json'];

// {status, json, text, get(name)}; `body` is an object or text.
export async function command(balancer, method, path, { headers = [JSON_TYPE], body = {} } = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const host = new URL(balancer.adminUrl).host;
  const data = request(method, path, { host, headers, body: text });
  const answer = await RawClient.with(balancer.adminUrl, (client) =>
    client.exchange(data, { method }),
  );
  let json;
  try {
    json = JSON.parse(answer.text);
  } catch {
    // Not every refusal is JSON.
  }
  return { status: answer.status, json, text: answer.text, get: (name) => answer.get(name) };
}

export const change = (balancer, pool, backend, verb, options) =>
  command(
    balancer,
    'POST',
    `/api/backends/${encodeURIComponent(pool)}/${encodeURIComponent(backend)}/${verb}`,
    options,
  );
