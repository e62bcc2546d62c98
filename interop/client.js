// An application made of npm's `smpp`: binds over TLS (the chain is verified), sends the texts and COUNT numbered ones beside them, waits
// for exactly one receipt of each, takes one reply, unbinds. A text of more than 254 octets goes as `message_payload`.
'use strict';

const fs = require('fs');
const [, , library, port, ca, count, ...texts] = process.argv;
const smpp = require(library);

const WINDOW = 100;

function fail(why) {
  console.error(`client.js: ${why}`);
  process.exit(1);
}

setTimeout(() => fail(`not done within a minute: ${ids.size} of ${all.length} answered, ${receipts.size} receipts`), 60000).unref();
// The numbered ones first: a handset shows its latest texts.
const all = Array.from({ length: Number(count) }, (_, number) => `Interop npm ${String(number).padStart(4, '0')}`).concat(texts);
const receipts = new Set();
const ids = new Set();
let next = 0;
let reply = null;

const session = smpp.connect({ host: 'localhost', port: Number(port), tls: true, ca: fs.readFileSync(ca), servername: 'localhost' }, () => {
  session.bind_transceiver({ system_id: 'interop', password: 's3cret' }, (answer) => {
    if (answer.command_status !== 0) fail(`bind: ${answer.command_status}`);
    while (next < Math.min(WINDOW, all.length)) submit();
  });
});
session.on('error', (error) => fail(error));
session.on('enquire_link', (pdu) => session.send(pdu.response()));
session.on('deliver_sm', (pdu) => {
  session.send(pdu.response());
  const text = pdu.short_message.message.toString();
  if (pdu.esm_class & 4) {
    const [, id, state] = /id:(\S+) .*stat:(\S+)/.exec(text);
    if (state !== 'DELIVRD' || pdu.receipted_message_id !== id || pdu.message_state !== 2) fail(`receipt: ${text}`);
    if (receipts.has(id)) fail(`a second receipt: ${text}`);
    receipts.add(id);
  } else {
    reply = text;
  }
  done();
});

function submit() {
  const text = all[next++];
  const pdu = { source_addr: '70008', source_addr_ton: 3, destination_addr: '447700900138', dest_addr_ton: 1, dest_addr_npi: 1, registered_delivery: 1 };
  // As many octets as UCS-2 makes of it: the safe count for both alphabets.
  if (text.length * 2 > 254) pdu.message_payload = text;
  else pdu.short_message = text;
  session.submit_sm(pdu, (sent) => {
    if (sent.command_status !== 0) fail(`submit: ${sent.command_status}`);
    if (ids.has(sent.message_id)) fail(`an id twice: ${sent.message_id}`);
    ids.add(sent.message_id);
    if (next < all.length) submit();
    done();
  });
}

function done() {
  if (ids.size !== all.length || receipts.size < all.length) return;
  if ([...ids].some((id) => !receipts.has(id))) fail('a receipt of what was not sent');
  if (reply === null) return console.log('ready');
  if (reply !== '2 pass on: ñ') fail(`reply: ${reply}`);
  session.unbind(() => session.close(() => {
    console.log(`${ids.size} texts sent, ${receipts.size} receipts, 1 reply`);
    process.exit(0);
  }));
}
