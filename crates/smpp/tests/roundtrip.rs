//! What is encoded decodes to the same, for every PDU; and what is mutated never panics and never puts the
//! stream out of step (F-20).

mod generate;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use smpp::{Command, Framer};

use generate::{command, encode};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_decodes_to_the_same(commands in vec(command::<false>(), 1..6)) {
        let mut stream = BytesMut::new();
        for command in &commands {
            command.encode(&mut stream).unwrap();
        }
        let framer = Framer::new(smpp::LIMIT_BOUND);
        for command in &commands {
            let frame = framer.next(&mut stream).unwrap().unwrap();
            prop_assert_eq!(&Command::decode(frame).unwrap(), command);
        }
        prop_assert!(stream.is_empty());
    }

    #[test]
    fn a_mutated_pdu_never_panics_and_its_answer_can_be_sent(
        command in command::<false>(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut frame = encode(&command);
        for (place, octet) in flips {
            // The length is the framer's to judge; everything behind it is what a stranger wrote.
            let place = 4 + place.index(frame.len() - 4);
            frame[place] = octet;
        }
        if shorten {
            frame.truncate(cut.index(frame.len()));
        }
        match Command::decode(frame.freeze()) {
            // What could be read can be looked at.
            Ok(command) => {
                let shown = format!("{command:?}");
                prop_assert!(!shown.is_empty());
            },
            Err(error) => {
                prop_assert!(!error.status.is_ok());
                if let Some(answer) = error.answer() {
                    prop_assert_eq!(answer.sequence, error.sequence);
                    encode(&answer);
                }
            }
        }
    }

    #[test]
    fn any_bytes_at_all_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let mut stream = BytesMut::from(&bytes[..]);
        let framer = Framer::new(smpp::LIMIT_UNBOUND);
        while let Ok(Some(frame)) = framer.next(&mut stream) {
            let _ = Command::decode(frame);
        }
        let _ = Command::decode(bytes.into());
    }
}
