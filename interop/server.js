// A carrier made of npm's `smpp`: takes submits of our client, answers each with an id in hexadecimal, sends a receipt
// with the id in the text alone, and one reply. Prints its port, then each text it was sent, whole, as a line of JSON.
'use strict';

const fs = require('fs');
const smpp = require(process.argv[2]);
const security = process.argv[3];
const options = security === 'plain' ? {} : { cert: fs.readFileSync(`${security}/cert.pem`), key: fs.readFileSync(`${security}/key.pem`) };

let next = 0x5f2a91;
let replied = false;
const partial = new Map();

function show(text) {
  console.log(JSON.stringify({ text }));
}

function join(pdu) {
  const { udh, message } = pdu.short_message;
  const text = message.toString();
  const concat = udh && udh.map((element) => [...element]).find((element) => element[0] === 0x00 && element[1] === 3);
  if (!concat) return show(text);
  const [, , reference, total, number] = concat;
  const parts = partial.get(reference) || new Map();
  partial.set(reference, parts.set(number, text));
  if (parts.size === total) {
    show([...parts.keys()].sort((a, b) => a - b).map((key) => parts.get(key)).join(''));
    partial.delete(reference);
  }
}

const server = smpp.createServer(options, (session) => {
  session.on('error', (error) => console.error(String(error)));
  session.on('bind_transceiver', (pdu) => {
    const known = pdu.system_id === 'interop' && pdu.password === 's3cret';
    session.send(pdu.response({ command_status: known ? 0 : smpp.ESME_RBINDFAIL, system_id: 'npm' }));
  });
  session.on('submit_sm', (pdu) => {
    const id = next++;
    session.send(pdu.response({ message_id: id.toString(16) }));
    join(pdu);
    const receipt = `id:${id.toString(16)} sub:001 dlvrd:001 submit date:2610230112 done date:2610230112 stat:DELIVRD err:000 text:`;
    const address = { source_addr: pdu.destination_addr, source_addr_ton: 1, source_addr_npi: 1, destination_addr: pdu.source_addr };
    session.deliver_sm({ ...address, esm_class: 4, short_message: receipt });
    if (!replied) {
      replied = true;
      session.deliver_sm({ ...address, data_coding: 8, short_message: { message: '1 K7Q €' } });
    }
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
    server.close(() => process.exit(0));
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
