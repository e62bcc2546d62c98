"""An application made of Python's smpplib: binds (over TLS when an authority is given), sends each text in as many parts as smpplib
makes and COUNT numbered ones beside them, waits for exactly one receipt of each part, and unbinds. A wrong password must be refused."""

import re
import ssl
import sys
import time

import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm


WINDOW = 100


def connect(port, authority):
    context = None
    if authority != "plain":
        context = ssl.create_default_context(cafile=authority)
        # smpplib gives no server name; the chain is verified all the same.
        context.check_hostname = False
    client = smpplib.client.Client("127.0.0.1", port, ssl_context=context, timeout=5)
    client.connect()
    return client


def main(port, authority, texts):
    begun = time.monotonic()
    stranger = connect(port, authority)
    try:
        stranger.bind_transceiver(system_id="interop", password="wrong")
        sys.exit("client.py: a wrong password was accepted")
    except smpplib.exceptions.PDUError as refused:
        assert refused.args[1] == smpplib.consts.SMPP_ESME_RBINDFAIL, refused
    stranger.disconnect()

    client = connect(port, authority)
    ids, receipts = [], set()

    def answered(pdu):
        assert pdu.status == 0, pdu.status
        ids.append(pdu.message_id.decode())

    def received(pdu):
        state = re.search(rb"id:(\S+) .*stat:(\S+)", pdu.short_message)
        assert state and state[2] == b"DELIVRD", pdu.short_message
        assert pdu.receipted_message_id.rstrip(b"\0") == state[1], pdu.receipted_message_id
        assert state[1].decode() not in receipts, "a second receipt"
        receipts.add(state[1].decode())

    client.set_message_sent_handler(answered)
    client.set_message_received_handler(received)
    client.bind_transceiver(system_id="interop", password="s3cret")
    expected = 0
    for text in texts:
        parts, coding, kind = smpplib.gsm.make_parts(text)
        for part in parts:
            client.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
                source_addr="ALERT",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
                destination_addr="447700900126",
                short_message=part,
                data_coding=coding,
                esm_class=kind,
                registered_delivery=True,
            )
            expected += 1
            while expected - len(ids) >= WINDOW:
                client.read_once()
    while len(ids) < expected or not receipts.issuperset(ids):
        assert time.monotonic() - begun < 60, f"not done within a minute: {len(ids)} of {expected} answered, {len(receipts)} receipts"
        client.read_once()
    assert len(set(ids)) == expected == len(receipts), "an id twice, or a receipt of what was not sent"
    client.unbind()
    client.disconnect()
    print(f"{expected} parts sent, {len(receipts)} receipts, a wrong password refused")


if __name__ == "__main__":
    # The numbered ones first: a handset shows its latest texts.
    numbered = [f"Interop python {number:04}" for number in range(int(sys.argv[3]))]
    main(int(sys.argv[1]), sys.argv[2], numbered + sys.argv[4:])
