// A carrier made of npm's `smpp` that has a bad day: after THROTTLE submits it answers ESME_RTHROTTLED for a second; after CUT submits
// it takes ten more without a word and breaks every connection. Receipts wait for the next bind. Prints its port, and then a line of
// JSON for each part that it took, each text that is whole, and each thing that went wrong. 0 for a day without the event.
'use strict';

const fs = require('fs');
const [, , library, security, throttleAfter, cutAfter] = process.argv;
const smpp = require(library);
const options = security === 'plain' ? {} : { cert: fs.readFileSync(`${security}/cert.pem`), key: fs.readFileSync(`${security}/key.pem`) };

const THROTTLED_FOR = 1000;
const UNANSWERED = 10;
const say = (line) => console.log(JSON.stringify(line));

let next = 0x5f2a91;
let taken = 0;
let silent = 0;
let throttledUntil = Number(throttleAfter) > 0 ? null : 0;
let cut = Number(cutAfter) === 0;
const sessions = new Set();
const receipts = [];
// Told and not answered yet, each with the session that it went by: told again when that breaks.
const told = new Map();
const partial = new Map();

function join(pdu) {
  const { udh, message } = pdu.short_message;
  const text = message.toString();
  say({ part: text, to: pdu.destination_addr, id: next.toString(16) });
  const concat = udh && udh.map((element) => [...element]).find((element) => element[0] === 0x00 && element[1] === 3);
  if (!concat) return say({ text });
  const [, , reference, total, number] = concat;
  const key = `${pdu.destination_addr} ${reference}`;
  const parts = partial.get(key) || new Map();
  partial.set(key, parts.set(number, text));
  if (parts.size < total) return;
  say({ text: [...parts.keys()].sort((a, b) => a - b).map((number) => parts.get(number)).join('') });
  partial.delete(key);
}

function flush() {
  const [session] = sessions;
  while (session && receipts.length > 0) {
    const receipt = receipts.shift();
    told.set(receipt, session);
    session.deliver_sm({ ...receipt }, (answer) => {
      told.delete(receipt);
      if (answer.command_status === 0) return;
      // Busy: told again a little later, as carriers do.
      say({ event: 'receipt refused', status: answer.command_status });
      receipts.push(receipt);
      setTimeout(flush, 200);
    });
  }
}

function gone(session) {
  sessions.delete(session);
  for (const [receipt, by] of told) {
    if (by !== session) continue;
    told.delete(receipt);
    receipts.push(receipt);
  }
  setTimeout(flush, 20);
}

function take(session, pdu) {
  taken += 1;
  join(pdu);
  const id = (next++).toString(16);
  const receipt = `id:${id} sub:001 dlvrd:001 submit date:2610230112 done date:2610230112 stat:DELIVRD err:000 text:`;
  const address = { source_addr: pdu.destination_addr, source_addr_ton: 1, source_addr_npi: 1, destination_addr: pdu.source_addr };
  if (!cut && taken > Number(cutAfter)) {
    // Taken without an answer, and without a receipt: its id was never told.
    silent += 1;
    if (silent < UNANSWERED) return;
    cut = true;
    say({ event: 'cut', unanswered: silent });
    for (const one of [...sessions]) {
      one.destroy();
      gone(one);
    }
    return;
  }
  session.send(pdu.response({ message_id: id }));
  receipts.push({ ...address, esm_class: 4, short_message: receipt });
  setTimeout(flush, 20);
}

const server = smpp.createServer(options, (session) => {
  session.on('error', (error) => console.error(String(error)));
  session.on('close', () => gone(session));
  const bind = (pdu) => {
    const known = pdu.system_id === 'interop' && pdu.password === 's3cret';
    session.send(pdu.response({ command_status: known ? 0 : smpp.ESME_RBINDFAIL, system_id: 'npm' }));
    say({ event: 'bind', known });
    if (!known) return;
    sessions.add(session);
    setTimeout(flush, 20);
  };
  session.on('bind_transceiver', bind);
  session.on('submit_sm', (pdu) => {
    if (throttledUntil === null && taken >= Number(throttleAfter)) throttledUntil = Date.now() + THROTTLED_FOR;
    if (throttledUntil > Date.now()) {
      say({ event: 'throttled' });
      return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
    }
    take(session, pdu);
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    gone(session);
    session.close();
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
