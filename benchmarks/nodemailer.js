// Another contender: nodemailer's pool, sending ready bytes that differ in the reader's address alone.
//
//     node nodemailer.js PORT LETTER LETTERS CONNECTIONS [KEY]
//
// With KEY, a file with an RSA key, its own DKIM signs each letter.
'use strict';
const fs = require('fs');
const nodemailer = require('nodemailer');

const [port, file, letters, connections, key] = process.argv.slice(2);
const total = Number(letters);
const letter = fs.readFileSync(file, 'latin1');
const options = {
  host: '127.0.0.1', port: Number(port), secure: false, ignoreTLS: true, name: 'bench.example',
  pool: true, maxConnections: Number(connections), maxMessages: Infinity,
};
if (key) options.dkim = { domainName: 'review.example', keySelector: 'bench', privateKey: fs.readFileSync(key, 'utf8') };
const transport = nodemailer.createTransport(options);
const began = process.hrtime.bigint(), used = process.cpuUsage();
let next = 0, done = 0;

function send() {
  if (next >= total) return;
  const reader = `reader${next++}@peer.example`;
  const raw = Buffer.from(letter.split('reader@peer.example').join(reader), 'latin1');
  transport.sendMail({ envelope: { from: 'news@review.example', to: [reader] }, raw }, (error) => {
    if (error) { console.error(error); process.exit(1); }
    done += 1;
    if (done < total) { send(); return; }
    const spent = process.cpuUsage(used);
    console.log(JSON.stringify({
      seconds: Number(process.hrtime.bigint() - began) / 1e9,
      cpu_per_1k: (spent.user + spent.system) / 1e6 / total * 1000,
    }));
    transport.close();
  });
}

for (let n = 0; n < 2 * Number(connections); n++) send();
