//! Why a packet was not translated. The numbers are stable: they are kept in
//! counters that outlive a process and in operators' notes.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $slug:literal, $english:literal, $japanese:literal;)*) => {
        /// Why a packet was not translated.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* $name = $number,)*
        }

        impl Reason {
            /// Every reason, by number.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The name used on the command line, in JSON and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $slug,)* }
            }

            /// One sentence for a person, in English.
            pub const fn english(self) -> &'static str {
                match self { $(Reason::$name => $english,)* }
            }

            /// One sentence for a person, in Japanese.
            pub const fn japanese(self) -> &'static str {
                match self { $(Reason::$name => $japanese,)* }
            }

            /// The reason with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Reason::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// Neither IPv4 nor IPv6 by its version field.
    NotIp = 1, "not-ip",
        "The packet is neither IPv4 nor IPv6.",
        "IPv4でもIPv6でもないパケットです。";
    /// A length field lies, or a header is cut short.
    Malformed = 2, "malformed",
        "A header is cut short or one of its length fields does not fit the packet.",
        "ヘッダーが途中で切れているか、長さの値がパケットと合いません。";
    /// The IPv4 header checksum is wrong (RFC 1812 section 5.2.2).
    HeaderChecksum = 3, "header-checksum",
        "The IPv4 header checksum is wrong.",
        "IPv4ヘッダーのチェックサムが合いません。";
    /// A source that no router forwards (RFC 7915 sections 4.1 and 5.1).
    IllegalSource = 4, "illegal-source",
        "The source is a multicast, loopback, unspecified, reserved or link-local address.",
        "送信元がマルチキャスト、ループバック、未指定、予約済みまたはリンクローカルのアドレスです。";
    /// A destination that no router forwards, or that has no unicast mapping.
    IllegalDestination = 5, "illegal-destination",
        "The destination is a multicast, loopback, unspecified, reserved or link-local address.",
        "宛先がマルチキャスト、ループバック、未指定、予約済みまたはリンクローカルのアドレスです。";
    /// An unexpired source route (RFC 7915 section 4.1).
    SourceRoute = 6, "source-route",
        "The packet carries an IPv4 source route that has not been used up.",
        "未使用のIPv4ソースルート・オプションが付いています。";
    /// IPv4 options that cannot be read to their end.
    OptionsMalformed = 7, "options-malformed",
        "The lengths of the IPv4 options do not add up, so a source route could be hidden in them.",
        "IPv4オプションの長さが不正で、ソースルートが隠れている可能性があります。";
    /// Time to live or hop limit used up.
    HopLimit = 8, "hop-limit",
        "The packet has crossed as many routers as it may.",
        "通過できるルーター数（TTL／ホップ・リミット）を使い切りました。";
    /// No mapping for the source.
    NoSourceMapping = 9, "no-source-mapping",
        "Nothing maps the source address into the other family.",
        "送信元アドレスに対応する変換規則がありません。";
    /// No mapping for the destination.
    NoDestinationMapping = 10, "no-destination-mapping",
        "Nothing maps the destination address into the other family.",
        "宛先アドレスに対応する変換規則がありません。";
    /// The Well-Known Prefix with an address that is not global (RFC 6052 section 3.1).
    NotGlobal = 11, "not-global",
        "The Well-Known Prefix 64:ff9b::/96 may hold global IPv4 addresses only.",
        "既定プレフィックス64:ff9b::/96にはグローバルIPv4アドレスしか入れられません。";
    /// A protocol that means something else, or a header, in the other family.
    ProtocolNotCarried = 12, "protocol-not-carried",
        "The protocol number would mean something else in the other family, or is only for one link.",
        "そのプロトコル番号は変換先では別の意味になるか、リンク内専用です。";
    /// A routing header with segments left (RFC 7915 section 5.1).
    RoutingHeader = 13, "routing-header",
        "The packet has a routing header with segments left.",
        "残りセグメントのある経路制御ヘッダーが付いています。";
    /// More extension headers than are looked through.
    ExtensionChainTooLong = 14, "extension-chain-too-long",
        "The packet has more extension headers than are looked through.",
        "拡張ヘッダーの数が上限を超えています。";
    /// An extension header behind the fragment header (RFC 7915 section 5.1.1).
    ExtensionAfterFragment = 15, "extension-after-fragment",
        "An extension header stands behind the fragment header.",
        "断片ヘッダーの後ろに拡張ヘッダーがあります。";
    /// A fragment of an ICMP message (RFC 7915 section 1.2).
    FragmentedIcmp = 16, "fragmented-icmp",
        "A fragmented ICMP message cannot be translated: its checksum covers all of it.",
        "断片化されたICMPは、チェックサムが全体に及ぶため変換できません。";
    /// IPv4 UDP without a checksum, and the configuration says drop.
    UdpChecksumZero = 17, "udp-checksum-zero",
        "The UDP datagram has no checksum, which IPv6 does not allow.",
        "UDPチェックサムがありません。IPv6では必須です。";
    /// The first fragment of an IPv4 UDP datagram without a checksum.
    UdpChecksumZeroFragment = 18, "udp-checksum-zero-fragment",
        "The fragmented UDP datagram has no checksum, and one cannot be computed from a fragment.",
        "断片化されたUDPにチェックサムがなく、断片からは計算できません。";
    /// IPv6 UDP without a checksum (RFC 8200 section 8.1).
    UdpChecksumMissing = 19, "udp-checksum-missing",
        "The IPv6 UDP datagram has no checksum and has to be discarded.",
        "IPv6のUDPにチェックサムがないため破棄しました。";
    /// The first fragment does not hold the transport header.
    FirstFragmentIncomplete = 20, "first-fragment-incomplete",
        "The first fragment must hold the whole transport header.",
        "最初の断片にはトランスポート・ヘッダー全体が必要です。";
    /// An ICMP type that has no counterpart (RFC 7915 sections 4.2 and 5.2).
    IcmpType = 21, "icmp-type",
        "This ICMP type has no counterpart in the other family.",
        "このICMPタイプは変換先に対応するものがありません。";
    /// An ICMP code that has no counterpart (RFC 7915 sections 4.2 and 5.2).
    IcmpCode = 22, "icmp-code",
        "This ICMP code has no counterpart in the other family.",
        "このICMPコードは変換先に対応するものがありません。";
    /// A parameter problem about a field that has no counterpart.
    IcmpPointer = 23, "icmp-pointer",
        "The parameter problem is about a header field that the other family does not have.",
        "パラメーター問題の対象フィールドが変換先に存在しません。";
    /// An ICMP error about an ICMP error (RFC 7915 sections 4.3 and 5.3).
    IcmpNested = 24, "icmp-nested",
        "The ICMP error is about another ICMP error.",
        "ICMPエラーに対するICMPエラーです。";
    /// The quoted packet is too short to be translated, or its headers lie.
    QuoteIncomplete = 25, "quote-incomplete",
        "The packet quoted in the ICMP error is too short or malformed.",
        "ICMPエラーが引用するパケットが短すぎるか不正です。";
    /// The quoted packet is none that could have been translated.
    QuoteNotTranslatable = 26, "quote-not-translatable",
        "The packet quoted in the ICMP error is none that was translated here.",
        "ICMPエラーが引用するパケットは、ここで変換され得ないものです。";
    /// Larger than the next link carries, and not to be cut.
    TooBig = 27, "too-big",
        "The translated packet is larger than the next link carries, and may not be fragmented here.",
        "変換後のパケットが次のリンクのMTUを超え、ここでは分割できません。";
    /// The checksum of the whole payload cannot be counted in this home.
    SumUnavailable = 28, "sum-unavailable",
        "The packet needs a checksum over all of its data, which could not be computed here.",
        "データ全体のチェックサムが必要ですが、ここでは計算できませんでした。";
    /// An address outside of the prefix that is translated.
    OutsidePrefix = 29, "outside-prefix",
        "The address is not in the prefix that is translated here.",
        "アドレスがここで変換するプレフィックスの外です。";
    /// Subnet 0xffff behind a prefix of /48 or shorter (RFC 6296 section 3.4).
    SubnetNotMapped = 30, "subnet-not-mapped",
        "Subnet ffff cannot be translated without changing checksums.",
        "サブネットffffはチェックサムを保ったまま変換できません。";
    /// An interface identifier of all ones behind a longer prefix (RFC 6296 section 3.5).
    InterfaceAllOnes = 31, "interface-all-ones",
        "An interface identifier of all ones cannot be translated without changing checksums.",
        "全ビット1のインターフェイス識別子はチェックサムを保ったまま変換できません。";
    /// A hairpin that cannot be written back to IPv6.
    HairpinNotMapped = 32, "hairpin-not-mapped",
        "The packet turns back to IPv6, but its source cannot be embedded.",
        "折り返し通信ですが、送信元をIPv6に埋め込めません。";
}

impl core::fmt::Display for Reason {
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
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(
                *reason as usize,
                index + 1,
                "numbers are dense and never reused"
            );
            assert_eq!(Reason::from_number(*reason as u8), Some(*reason));
            assert!(names.insert(reason.as_str()));
            assert!(reason.english().ends_with('.') && reason.japanese().ends_with('。'));
        }
        assert_eq!(Reason::from_number(0), None, "0 means translated");
    }
}
