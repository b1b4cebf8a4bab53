mod headers;
mod sizes;
mod upper;

use super::*;
use crate::encode::*;

const UDP: u8 = 17;
const TCP: u8 = 6;

/// A UDP datagram of so many bytes of data: as it comes in, and as it goes out.
fn datagram(data: usize) -> (Parts, Parts) {
    let data = seq(0, data);
    (
        four(UDP).with(udp(four(UDP).ends(), 4000, 53, &data)),
        six(UDP).with(udp(six(UDP).ends(), 4000, 53, &data)),
    )
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = headers::header();
    all.extend(headers::lengths_that_lie());
    all.extend(headers::sources_and_destinations());
    all.extend(upper::options());
    all.extend(upper::protocols());
    all.extend(upper::transports());
    all.extend(sizes::fragments());
    all.extend(sizes::sizes());
    all
}
