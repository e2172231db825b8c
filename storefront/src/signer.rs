//! What the shop hands out and takes back: order tokens and receipts, each signed for one visitor.

use chrono::{DateTime, Utc};
use events::SiteVersion;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::catalog::Product;
use crate::publisher::Place;
use crate::visit::Visitor;

/// Signs with HMAC-SHA-256, cut to 128 bits; checks in constant time.
pub(crate) struct Signer {
    keyed: Hmac<Sha256>,
}

/// What the shop said when it confirmed an order: all that its page shows.
#[derive(Debug, PartialEq)]
pub(crate) struct Receipt {
    pub(crate) event_id: Uuid,
    pub(crate) product: &'static Product,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) site_version: SiteVersion,
    pub(crate) place: Place,
}

/// What a signature is for, so that the one is never taken for the other.
#[derive(Clone, Copy)]
enum Purpose {
    Order = 1,
    Receipt = 2,
}

impl Signer {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self { keyed: Hmac::new_from_slice(key).expect("HMAC takes a key of any length") }
    }

    /// The right to order `product` once as `visitor`, as the event `event_id`: 64 hex digits.
    pub(crate) fn order_token(&self, event_id: Uuid, visitor: Visitor, product: &Product) -> String {
        let signature = self.sign(Purpose::Order, event_id, visitor, product.slug);
        format!("{}{}", event_id.simple(), signature.simple())
    }

    /// The `event_id` of a token of ours that was made for this visitor and product.
    pub(crate) fn read_order_token(&self, token: &str, visitor: Visitor, product: &Product) -> Option<Uuid> {
        let (event_id, signature) = token.split_at_checked(32)?;
        let event_id = read_id(event_id)?;
        self.is_signed(Purpose::Order, event_id, visitor, product.slug, signature).then_some(event_id)
    }

    /// A confirmed order, as the text of a cookie of that visitor.
    pub(crate) fn receipt(&self, receipt: &Receipt, visitor: Visitor) -> String {
        let Receipt { event_id, product, occurred_at, site_version, place } = receipt;
        let micros = occurred_at.timestamp_micros();
        let said = format!("{}.{micros}.{site_version}.{}.{}", product.slug, place.partition, place.offset);
        let signature = self.sign(Purpose::Receipt, *event_id, visitor, &said);
        format!("{said}.{}", signature.simple())
    }

    /// The receipt of the order `event_id`, if `text` is one of ours that was made for this visitor.
    pub(crate) fn read_receipt(&self, text: &str, event_id: Uuid, visitor: Visitor) -> Option<Receipt> {
        let (said, signature) = text.rsplit_once('.')?;
        if !self.is_signed(Purpose::Receipt, event_id, visitor, said, signature) {
            return None;
        }
        let mut parts = said.split('.');
        let mut next = || parts.next();
        Some(Receipt {
            event_id,
            product: Product::find(next()?)?,
            occurred_at: DateTime::from_timestamp_micros(next()?.parse().ok()?)?,
            site_version: next()?.parse().ok()?,
            place: Place { partition: next()?.parse().ok()?, offset: next()?.parse().ok()? },
        })
    }

    fn sign(&self, purpose: Purpose, event_id: Uuid, visitor: Visitor, said: &str) -> Uuid {
        let tag = self.feed(purpose, event_id, visitor, said).finalize().into_bytes();
        Uuid::from_slice(&tag[..16]).expect("half of 32 bytes")
    }

    fn is_signed(&self, purpose: Purpose, event_id: Uuid, visitor: Visitor, said: &str, signature: &str) -> bool {
        read_id(signature).is_some_and(|signature| {
            self.feed(purpose, event_id, visitor, said).verify_truncated_left(signature.as_bytes()).is_ok()
        })
    }

    fn feed(&self, purpose: Purpose, event_id: Uuid, visitor: Visitor, said: &str) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        // all but the last have a fixed length, so no two calls feed the same bytes
        mac.update(&[purpose as u8]);
        mac.update(event_id.as_bytes());
        mac.update(visitor.id().as_bytes());
        mac.update(said.as_bytes());
        mac
    }
}

/// An id as we write it: 32 lowercase hex digits, and nothing else that could be read as the same.
pub(crate) fn read_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.simple().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::PRODUCTS;

    #[test]
    fn a_token_is_good_for_its_visitor_its_product_and_its_key_only() {
        let signer = Signer::new(b"a key of some length");
        let (visitor, event_id) = (Visitor::new(), Uuid::now_v7());
        let token = signer.order_token(event_id, visitor, &PRODUCTS[0]);
        assert_eq!(token.len(), 64);
        assert_eq!(signer.read_order_token(&token, visitor, &PRODUCTS[0]), Some(event_id));
        assert_eq!(
            Signer::new(b"a key of some length").read_order_token(&token, visitor, &PRODUCTS[0]),
            Some(event_id)
        );

        assert_eq!(signer.read_order_token(&token, Visitor::new(), &PRODUCTS[0]), None);
        assert_eq!(signer.read_order_token(&token, visitor, &PRODUCTS[1]), None);
        assert_eq!(Signer::new(b"another key, as long").read_order_token(&token, visitor, &PRODUCTS[0]), None);
        let forged = format!("{}{}", Uuid::now_v7().simple(), &token[32..]);
        for bad in [forged.as_str(), "", "é", &token[..63], &token.to_uppercase(), &format!("{token}0")] {
            assert_eq!(signer.read_order_token(bad, visitor, &PRODUCTS[0]), None, "{bad:?}");
        }
    }

    #[test]
    fn a_receipt_comes_back_whole_and_for_its_visitor_only() {
        let signer = Signer::new(b"a key of some length");
        let visitor = Visitor::new();
        let receipt = Receipt {
            event_id: Uuid::now_v7(),
            product: &PRODUCTS[3],
            occurred_at: "2026-03-01T12:00:00.123456Z".parse().expect("a time"),
            site_version: SiteVersion::Tablet,
            place: Place { partition: 5, offset: 9_000_000_000 },
        };
        let text = signer.receipt(&receipt, visitor);
        assert_eq!(signer.read_receipt(&text, receipt.event_id, visitor).as_ref(), Some(&receipt));
        assert_eq!(signer.read_receipt(&text, receipt.event_id, Visitor::new()), None);
        assert_eq!(signer.read_receipt(&text, Uuid::now_v7(), visitor), None);
        let changed = text.replace("sports_nutrition", "clothes");
        assert_eq!(signer.read_receipt(&changed, receipt.event_id, visitor), None);
    }
}
