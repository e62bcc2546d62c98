// A bare proxy between applications and a carrier: keeps nothing, answers an application when the carrier answered. It is what
// `loudhailer bench --beside interop/proxy.js` measures in the same run, as a yardstick: npm install in this directory first.
'use strict';

const fs = require('fs');
const smpp = require('smpp');

const [carrierHost, carrierPort] = process.env.CARRIER.split(':');
const ca = fs.readFileSync(process.env.CA);
const sessions = Number(process.env.SESSIONS || 2);
const applications = new Map(); // carrier's id -> the session that sent it
const carriers = [];
let turn = 0;

function toCarrier() {
  const session = smpp.connect({ url: `ssmpp://${carrierHost}:${carrierPort}`, ca, servername: 'localhost' }, () => {
    session.bind_transceiver({ system_id: 'proxy', password: 'x' }, (answer) => {
      if (answer.command_status !== 0) throw new Error('the carrier refused the bind');
      carriers.push(session);
      if (carriers.length === sessions) listen();
    });
  });
  session.on('deliver_sm', (pdu) => {
    const id = /id:([0-9a-f]+)/.exec(pdu.short_message.message || pdu.short_message);
    const application = id && applications.get(id[1]);
    if (!application) return session.send(pdu.response());
    applications.delete(id[1]);
    application.deliver_sm(
      {
        source_addr: pdu.source_addr,
        destination_addr: pdu.destination_addr,
        esm_class: pdu.esm_class,
        short_message: pdu.short_message,
      },
      () => session.send(pdu.response()),
    );
  });
  session.on('error', (error) => console.error(String(error)));
}

function listen() {
  const server = smpp.createServer(
    { key: fs.readFileSync(process.env.KEY), cert: fs.readFileSync(process.env.CERT) },
    (application) => {
      application.on('bind_transceiver', (pdu) => application.send(pdu.response()));
      application.on('enquire_link', (pdu) => application.send(pdu.response()));
      application.on('unbind', (pdu) => application.send(pdu.response()));
      application.on('error', () => {});
      application.on('submit_sm', (pdu) => {
        const carrier = carriers[turn++ % carriers.length];
        carrier.submit_sm(
          {
            source_addr: pdu.source_addr,
            destination_addr: pdu.destination_addr,
            registered_delivery: pdu.registered_delivery,
            short_message: pdu.short_message,
          },
          (answer) => {
            if (pdu.registered_delivery) applications.set(answer.message_id, application);
            application.send(pdu.response({ message_id: answer.message_id, command_status: answer.command_status }));
          },
        );
      });
    },
  );
  server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
}

for (let count = 0; count < sessions; count += 1) toCarrier();
process.stdin.on('end', () => process.exit(0)).resume();
