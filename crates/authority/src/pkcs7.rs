//! Certificates in a CMS envelope that signs nothing ("certs-only", RFC 5652
//! section 5, RFC 8551 section 3.8): how EST hands them out.

use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag};

/// id-signedData.
const SIGNED_DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 2];
/// id-data.
const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];

/// A degenerate SignedData with these certificates, DER.
#[must_use]
pub fn certs_only(certificates: &[&[u8]]) -> Vec<u8> {
    // A DER SET OF is in ascending order of its elements' encodings.
    let mut sorted = certificates.to_vec();
    sorted.sort_unstable();
    let signed_data = |writer: DERWriter<'_>| {
        writer.write_sequence(|writer| {
            writer.next().write_i8(1);
            // No digest algorithms.
            writer.next().write_set_of(|_| {});
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&ObjectIdentifier::from_slice(DATA));
            });
            writer
                .next()
                .write_tagged_implicit(Tag::context(0), |writer| {
                    writer.write_set_of(|writer| {
                        for certificate in &sorted {
                            writer.next().write_der(certificate);
                        }
                    });
                });
            // No signers.
            writer.next().write_set_of(|_| {});
        });
    };
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer
                .next()
                .write_oid(&ObjectIdentifier::from_slice(SIGNED_DATA));
            writer.next().write_tagged(Tag::context(0), signed_data);
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cms::content_info::ContentInfo;
    use cms::signed_data::SignedData;
    use der::{Decode, Encode};

    #[test]
    fn a_stranger_reads_the_certificates_back() {
        let certificates: Vec<Vec<u8>> = ["b", "a"]
            .into_iter()
            .map(|name| {
                let key = rcgen::KeyPair::generate().unwrap();
                let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
                params.self_signed(&key).unwrap().der().to_vec()
            })
            .collect();
        let borrowed: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        let made = certs_only(&borrowed);
        let info = ContentInfo::from_der(&made).unwrap();
        let data: SignedData = info.content.decode_as().unwrap();
        assert_eq!(data.signer_infos.0.len(), 0);
        let mut read: Vec<Vec<u8>> = data
            .certificates
            .unwrap()
            .0
            .iter()
            .map(|choice| choice.to_der().unwrap())
            .collect();
        let mut wanted = certificates;
        read.sort();
        wanted.sort();
        assert_eq!(read, wanted);
        assert_eq!(
            ContentInfo::from_der(&made).unwrap().to_der().unwrap(),
            made
        );
    }
}
