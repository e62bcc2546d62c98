// An application made of npm's `smpp` against the simulated carrier: binds over TLS (the chain is verified), sends the texts,
// waits for a receipt of each, takes one reply, unbinds.
'use strict';

const fs = require('fs');
const [, , library, port, ca, ...texts] = process.argv;
const smpp = require(library);

function fail(why) {
  console.error(`client.js: ${why}`);
  process.exit(1);
}

setTimeout(() => fail('not done within ten seconds'), 10000).unref();
const receipts = new Set();
const ids = new Set();
let reply = null;

const session = smpp.connect({ host: 'localhost', port: Number(port), tls: true, ca: fs.readFileSync(ca), servername: 'localhost' }, () => {
  session.bind_transceiver({ system_id: 'interop', password: 's3cret' }, (answer) => {
    if (answer.command_status !== 0) fail(`bind: ${answer.command_status}`);
    for (const text of texts) {
      const pdu = { source_addr: '70008', source_addr_ton: 3, destination_addr: '447700900138', dest_addr_ton: 1, dest_addr_npi: 1, registered_delivery: 1, short_message: text };
      session.submit_sm(pdu, (sent) => {
        if (sent.command_status !== 0) fail(`submit: ${sent.command_status}`);
        ids.add(sent.message_id);
        done();
      });
    }
  });
});
session.on('error', (error) => fail(error));
session.on('enquire_link', (pdu) => session.send(pdu.response()));
session.on('deliver_sm', (pdu) => {
  session.send(pdu.response());
  const text = pdu.short_message.message.toString();
  if (pdu.esm_class & 4) {
    const [, id, state] = /id:(\S+) .*stat:(\S+)/.exec(text);
    if (state !== 'DELIVRD' || pdu.receipted_message_id !== id) fail(`receipt: ${text}`);
    receipts.add(id);
  } else {
    reply = text;
  }
  done();
});

function done() {
  if (ids.size !== texts.length || [...ids].some((id) => !receipts.has(id))) return;
  if (reply === null) return console.log('ready');
  if (reply !== '2 pass on: ñ') fail(`reply: ${reply}`);
  session.unbind(() => session.close(() => {
    console.log(`${ids.size} texts sent, ${receipts.size} receipts, 1 reply`);
    process.exit(0);
  }));
}
