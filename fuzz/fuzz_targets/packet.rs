//! Any frame, at every hook: the verdict answers, and answers the same again.
#![no_main]

use iryonet_verdict::native::{NativeWorld, Setting};
use iryonet_verdict::{Hook, ParticipantState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let mut world = NativeWorld::new(Setting {
        participants_max: 16,
        grants_max: 16,
        flows_max: 16,
        ..Setting::default()
    });
    for number in 1..=3 {
        let _ = world.set_participant(number, ParticipantState::Live, 1);
    }
    world.set_endpoint(0x2001_0db8_0000_0200_0000_0000_0000_0001, 6, 443, 7);
    let _ = world.set_grant(1, 7);
    world.bind(10, 1, 0, u64::MAX);
    for hook in Hook::ALL {
        // Refusing leaves nothing behind that could change the answer.
        if world.run(hook, 10, frame).is_err() {
            assert!(world.run(hook, 10, frame).is_err());
        }
    }
});
