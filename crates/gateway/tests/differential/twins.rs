//! Two native worlds that undergo the same: one decides the common packets the
//! short way, the other one every packet the long way. Nobody may be able to
//! tell them apart.

use iryonet_verdict::native::{NativeWorld, Setting};
use iryonet_verdict::policy::PolicyError;
use iryonet_verdict::{Hook, ParticipantState, Verdict};

pub(crate) struct Twins {
    short: NativeWorld,
    long: NativeWorld,
}

/// Does the same to both, and compares what they say to it.
macro_rules! both {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => { $(
        pub(crate) fn $name(&mut self, $($argument: $type),*) $(-> $result)? {
            let short = self.short.$name($($argument),*);
            let long = self.long.$name($($argument),*);
            assert_eq!(short, long, stringify!($name));
            short
        }
    )* };
}

impl Twins {
    pub(crate) fn new(setting: Setting) -> Self {
        Self {
            short: NativeWorld::new(setting),
            long: NativeWorld::new(setting),
        }
    }

    both! {
        fn set_now_ns(now_ns: u64);
        fn bind(ifindex: u32, participant: u32, site: u8, lease_expires_ns: u64);
        fn unbind(ifindex: u32);
        fn set_participant(number: u32, state: ParticipantState, generation: u32)
            -> Result<bool, PolicyError>;
        fn remove_participant(number: u32) -> bool;
        fn set_grant(participant: u32, service: u32) -> Result<bool, PolicyError>;
        fn remove_grant(participant: u32, service: u32) -> Result<bool, PolicyError>;
        fn set_endpoint(address: u128, protocol: u8, port: u16, service: u32);
        fn remove_endpoint(address: u128, protocol: u8, port: u16) -> bool;
        fn set_base_service(address: u128, protocol: u8, port: u16);
    }

    pub(crate) fn run(&mut self, hook: Hook, ifindex: u32, frame: &[u8]) -> Verdict {
        let short = self.short.run(hook, ifindex, frame);
        let long = self.long.run_whole(hook, ifindex, frame);
        assert_eq!(
            short, long,
            "the short way says the left, the long way the right, of this frame at {hook:?}: \
             {frame:02x?}"
        );
        short
    }

    /// The world that all else is compared with, after both were compared.
    pub(crate) fn one(&self) -> &NativeWorld {
        assert_eq!(self.short.flow_count(), self.long.flow_count());
        assert_eq!(self.short.counters(), self.long.counters());
        assert_eq!(self.short.reason_totals(), self.long.reason_totals());
        assert_eq!(self.short.drops(), self.long.drops());
        &self.short
    }
}
