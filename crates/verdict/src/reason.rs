//! Why a packet was refused. The numbers are stable: they are kept in maps that
//! outlive a process, in flow records and in operators' notes.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $slug:literal, $english:literal, $japanese:literal;)*) => {
        /// Why a packet was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DenyReason {
            $($(#[$doc])* $name = $number,)*
        }

        impl DenyReason {
            /// Every reason, by number.
            pub const ALL: &'static [DenyReason] = &[$(DenyReason::$name,)*];

            /// The name used on the command line, in JSON and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(DenyReason::$name => $slug,)* }
            }

            /// One sentence for a person, in English.
            pub const fn english(self) -> &'static str {
                match self { $(DenyReason::$name => $english,)* }
            }

            /// One sentence for a person, in Japanese.
            pub const fn japanese(self) -> &'static str {
                match self { $(DenyReason::$name => $japanese,)* }
            }

            /// The reason with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(DenyReason::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// Any EtherType but IPv6, ARP and VLAN tags included.
    NotIpv6 = 1, "not-ipv6",
        "The frame is not plain IPv6; the core of the network carries nothing else.",
        "IPv6以外のフレームです。網の内部はIPv6のみを運びます。";
    /// A length or version field lies, or the packet is cut short.
    Malformed = 2, "malformed",
        "A header is cut short or one of its length fields does not fit the packet.",
        "ヘッダーが途中で切れているか、長さの値がパケットと合いません。";
    /// More extension headers or hop-by-hop options than the walk allows.
    ExtensionChainTooLong = 3, "extension-chain-too-long",
        "The packet has more extension headers or options than are looked through.",
        "拡張ヘッダーまたはオプションの数が上限を超えています。";
    /// Hop-by-hop options not directly after the IPv6 header (RFC 8200 section 4.1).
    HopByHopMisplaced = 4, "hop-by-hop-misplaced",
        "Hop-by-hop options may stand only directly after the IPv6 header.",
        "ホップバイホップ・オプションはIPv6ヘッダーの直後にしか置けません。";
    /// Routing header type 0 (RFC 5095) or any with segments left.
    RoutingHeader = 5, "routing-header",
        "A routing header of type 0, or one with segments left, could lead the packet past the checks.",
        "経路制御ヘッダー（タイプ0または残りセグメントあり）は検査を迂回できるため通しません。";
    /// Jumbograms (RFC 2675).
    JumboPayload = 6, "jumbo-payload",
        "Jumbograms are not carried.",
        "ジャンボグラムは運びません。";
    /// ESP, no-next-header, or a protocol that the verdict does not know.
    UnsupportedProtocol = 7, "unsupported-protocol",
        "Only TCP, UDP and ICMPv6 are carried between participants.",
        "参加者の間で運ぶのはTCP、UDP、ICMPv6だけです。";
    /// The first fragment lacks part of the header chain (RFC 7112).
    FirstFragmentIncomplete = 8, "first-fragment-incomplete",
        "The first fragment must hold all headers up to the transport header (RFC 7112).",
        "最初の断片にはトランスポート・ヘッダーまでの全ヘッダーが必要です（RFC 7112）。";
    /// A later fragment whose first one did not pass here within its lifetime.
    FragmentWithoutFirst = 9, "fragment-without-first",
        "No first fragment of this packet has passed here in the last seconds.",
        "このパケットの最初の断片が直前に通過していません。";
    /// A later fragment that would overwrite the first one's data.
    FragmentOverlap = 10, "fragment-overlap",
        "The fragment overlaps the first one, which was the one that was checked.",
        "検査済みの最初の断片と重なる断片です。";
    /// A fragmented message of a kind that never needs fragments, or nested fragments.
    FragmentNotAllowed = 11, "fragment-not-allowed",
        "This kind of message may not be fragmented.",
        "この種類の通信は断片化できません。";
    /// Link-scope traffic other than neighbour discovery, attach and enrol.
    NotBaseTraffic = 12, "not-base-traffic",
        "On the line itself only neighbour discovery, attach and enrolment are served.",
        "回線上で受け付けるのは近隣探索、接続認証（attach）、登録（enrol）だけです。";
    /// The line has no binding: no device has proved its certificate.
    NotAttached = 13, "not-attached",
        "No device has attached this line with a valid institution certificate.",
        "有効な機関証明書による接続認証がこの回線で行われていません。";
    /// The binding's lease ran out.
    LeaseExpired = 14, "lease-expired",
        "The line's lease was not renewed in time; the device has to attach again.",
        "回線のリースが更新されずに切れました。接続機器は再度接続認証が必要です。";
    /// The source is not inside the site's own /64.
    SpoofedSource = 15, "spoofed-source",
        "The source address does not belong to the site of this line.",
        "送信元アドレスがこの回線の拠点のものではありません。";
    /// A source of this gateway's own lines came in from the backbone.
    SpoofedFromBackbone = 16, "spoofed-from-backbone",
        "The source address belongs to a line of this gateway but the packet came from the backbone.",
        "送信元はこのゲートウェイの回線のものですが、基幹側から届きました。";
    /// The destination is not in the network.
    OutsideNetwork = 17, "outside-network",
        "The destination address is not in the network.",
        "宛先アドレスが網の外です。";
    /// The source is not in the network.
    SourceOutsideNetwork = 18, "source-outside-network",
        "The source address is not in the network.",
        "送信元アドレスが網の外です。";
    /// The destination is not the site bound to this line.
    NotOwner = 19, "not-owner",
        "The destination address does not belong to the site of this line.",
        "宛先アドレスがこの回線の拠点のものではありません。";
    /// The source participant is unknown here, not yet open, or closed.
    NotLive = 20, "not-live",
        "The sending participant is not open on the network.",
        "送信元の参加者は開通していません。";
    /// The source participant is quarantined.
    Quarantined = 21, "quarantined",
        "The sending participant is quarantined.",
        "送信元の参加者は隔離中です。";
    /// The other participant is unknown here, closed or quarantined.
    PeerNotLive = 22, "peer-not-live",
        "The participant at the other end is not open on the network, or is quarantined.",
        "相手の参加者が開通していないか、隔離中です。";
    /// Infrastructure is reached by base services only, and answers only those.
    NotABaseService = 23, "not-a-base-service",
        "The infrastructure is reached only through the network's base services.",
        "網の基盤装置には基本サービス以外では到達できません。";
    /// No service has an endpoint at the destination address.
    NoSuchService = 24, "no-such-service",
        "The destination address offers no service.",
        "宛先アドレスでは何のサービスも提供されていません。";
    /// The destination offers a service, but not at this protocol and port.
    PortNotInService = 25, "port-not-in-service",
        "The destination offers a service, but not at this protocol and port.",
        "宛先はサービスを提供していますが、このプロトコルとポートではありません。";
    /// No agreement grants this participant the service.
    NoAgreement = 26, "no-agreement",
        "No agreement in force gives this participant the service.",
        "このサービスについて有効な利用合意がありません。";
    /// An echo reply without an echo request before it.
    ReplyWithoutFlow = 27, "reply-without-flow",
        "The reply answers no request that passed here.",
        "対応する要求がここを通過していない応答です。";
    /// An ICMPv6 message that is neither echo nor an error.
    IcmpTypeNotAllowed = 28, "icmp-type-not-allowed",
        "Of ICMPv6 only echo and error messages are carried between participants.",
        "参加者の間で運ぶICMPv6はエコーとエラー通知だけです。";
    /// An ICMPv6 error about no flow in force.
    IcmpErrorWithoutFlow = 29, "icmp-error-without-flow",
        "The error message is about no flow that passed here.",
        "ここを通過した通信に対応しないICMPv6エラー通知です。";
    /// The tables could not be read or written.
    TableUnavailable = 30, "table-unavailable",
        "The gateway could not use its tables; it refuses rather than guesses.",
        "ゲートウェイが表を利用できないため、通さずに拒否しました。";
}

impl core::fmt::Display for DenyReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_again_by_its_number_and_has_its_own_name() {
        let mut names = std::collections::BTreeSet::new();
        for (index, reason) in DenyReason::ALL.iter().enumerate() {
            assert_eq!(
                *reason as usize,
                index + 1,
                "numbers are dense and never reused"
            );
            assert_eq!(DenyReason::from_number(*reason as u8), Some(*reason));
            assert!(names.insert(reason.as_str()));
            assert!(reason.english().ends_with('.') && reason.japanese().ends_with('。'));
        }
        assert_eq!(DenyReason::from_number(0), None, "0 means pass");
    }
}
