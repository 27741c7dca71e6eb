// Certificates of a test's own, made with the openssl command and gone with the folder.

import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export class Authority {
  // `folder` is a Folder of process.mjs.
  constructor(folder, name = 'ca') {
    this.folder = folder;
    this.file = folder.file(`${name}.pem`);
    this.key = folder.file(`${name}.key`);
    openssl('req', '-x509', ...KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', this.key,
      '-out', this.file); // prettier-ignore
  }

  // `names` are "DNS:example.org" or "IP:127.0.0.1". Returns paths and contents.
  issue(name, names) {
    const at = (suffix) => this.folder.file(`${name}.${suffix}`);
    writeFileSync(at('ext'), `subjectAltName=${names.join(',')}\n`);
    openssl('req', ...KEY, '-subj', `/CN=${name}`, '-keyout', at('key.new'), '-out', at('csr'));
    openssl('x509', '-req', '-in', at('csr'), '-CA', this.file, '-CAkey', this.key,
      '-CAcreateserial', '-days', '2', '-extfile', at('ext'), '-out', at('crt.new')); // prettier-ignore
    renameSync(at('key.new'), at('key'));
    renameSync(at('crt.new'), at('crt'));
    return {
      certificate: at('crt'),
      key: at('key'),
      node: { cert: readFileSync(at('crt')), key: readFileSync(at('key')) },
    };
  }

  get pem() {
    return readFileSync(this.file);
  }
}
