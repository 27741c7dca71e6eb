// Raw HTTP for what an SDK client would hide: every request has its own connection.
import http from 'node:http';
import { within } from './wait.mjs';

/** Sends one request over a new connection; the answer's body is read whole. */
export async function request(url, { method = 'POST', headers = {}, body, ms = 10_000 } = {}) {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const sent = http.request(url, { method, headers: { ...headers }, agent: false });
  const answer = new Promise((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
    });
  });
  sent.end(text);
  try {
    return await within(ms, `${method} ${url}`, answer);
  } finally {
    sent.destroy();
  }
}

/** The JSON-RPC message in an answer: its JSON body, or the last event of its event stream. */
export function messageOf({ headers, body }) {
  if (!headers['content-type']?.startsWith('text/event-stream')) return JSON.parse(body);
  const data = body.split('\n').filter((line) => line.startsWith('data: {'));
  return JSON.parse(data.at(-1).slice('data: '.length));
}
