mod headers;
mod sizes;
mod upper;

use super::*;
use crate::encode::*;

const UDP: u8 = 17;
const TCP: u8 = 6;

fn datagram(data: usize) -> (Parts, Parts) {
    let data = seq(0, data);
    // Up to 1260 bytes DF is clear, above it is set.
    let dont_fragment = data.len() + 28 > 1260;
    (
        six_in(UDP).with(udp(six_in(UDP).ends(), 53, 4000, &data)),
        Four {
            dont_fragment,
            ..four_out(UDP)
        }
        .with(udp(four_out(UDP).ends(), 53, 4000, &data)),
    )
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = headers::header();
    all.extend(headers::lengths_that_lie());
    all.extend(headers::sources_and_destinations());
    all.extend(upper::extension_headers());
    all.extend(upper::protocols());
    all.extend(upper::transports());
    all.extend(sizes::fragments());
    all.extend(sizes::sizes());
    all
}
