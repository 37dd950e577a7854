//! Which thing a client certificate stands for: the one whose id is its DNS name (SAN) or, where it has none, its
//! common name.

use rustls::pki_types::CertificateDer;
use tellee_actors::ids::ThingId;
use webpki::EndEntityCert;

/// A thing that has proved itself by a certificate of an authority that the port trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertifiedThing(pub ThingId);

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;

impl CertifiedThing {
    /// The thing of a certificate that was verified already. `None` if it names none, or more than one.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        let mut named = certificate.valid_dns_names().peekable();
        if named.peek().is_none() {
            return only(common_names(certificate.subject()));
        }
        only(named.filter_map(|name| name.parse().ok()))
    }
}

fn only(mut things: impl Iterator<Item = ThingId>) -> Option<CertifiedThing> {
    let first = things.next()?;
    things
        .all(|other| other == first)
        .then_some(CertifiedThing(first))
}

/// The things among the common names of a subject: the contents of an `RDNSequence` (RFC 5280, 4.1.2.4).
fn common_names(subject: &[u8]) -> impl Iterator<Item = ThingId> {
    let mut found = Vec::new();
    let mut names = Elements(subject);
    while let Some((SET, attributes)) = names.next() {
        let mut attributes = Elements(attributes);
        while let Some((SEQUENCE, attribute)) = attributes.next() {
            let mut parts = Elements(attribute);
            if parts.next() != Some((OBJECT_IDENTIFIER, COMMON_NAME)) {
                continue;
            }
            let Some((UTF8_STRING | PRINTABLE_STRING, text)) = parts.next() else {
                continue;
            };
            let text = std::str::from_utf8(text).unwrap_or_default();
            found.extend(text.parse::<ThingId>());
        }
    }
    found.into_iter()
}

/// The elements of a DER value, as tag and contents. Ends at the first that is cut off.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if length >= 0x80 {
            let (digits, after) = rest.split_at_checked(length - 0x80)?;
            if digits.len() > 2 {
                return None;
            }
            length = digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit));
            rest = after;
        }
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, contents))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[&str], common_name: Option<&str>) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "a plant");
        if let Some(common_name) = common_name {
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_dns_name_goes_before_the_common_name() {
        let (one, other) = (ThingId::generate(), ThingId::generate());
        let (one_text, other_text) = (one.to_string(), other.to_string());
        let of = |names: &[&str], common_name: Option<&str>| {
            CertifiedThing::of_certificate(&certificate(names, common_name))
        };
        assert_eq!(of(&[&one_text], None), Some(CertifiedThing(one)));
        assert_eq!(of(&[], Some(&one_text)), Some(CertifiedThing(one)));
        assert_eq!(
            of(&[&one_text], Some(&other_text)),
            Some(CertifiedThing(one))
        );
        assert_eq!(
            of(&["pump.plant.example"], Some(&one_text)),
            None,
            "a name that is there counts"
        );
        assert_eq!(
            of(&["pump.plant.example", &one_text], None),
            Some(CertifiedThing(one))
        );
        assert_eq!(of(&[&one_text, &other_text], None), None);
        assert_eq!(of(&[], Some("pump")), None);
        assert_eq!(of(&[], None), None);
    }

    proptest! {
        #[test]
        fn no_subject_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = common_names(&bytes).count();
        }
    }
}
