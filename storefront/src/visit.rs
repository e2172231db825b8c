//! Who asks, with what, and whether that is a person looking at a page.

use std::future::{Ready, ready};

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, USER_AGENT};
use actix_web::{FromRequest, HttpRequest, web};
use events::SiteVersion;
use isbot::Bots;
use uuid::Uuid;

use crate::Shop;
use crate::error::PageError;
use crate::signer::read_id;

const COOKIE: &str = "visitor";

/// Link previews and HTTP libraries that `isbot` does not know.
const MORE_BOTS: [&str; 11] = [
    "^whatsapp/",
    "^viber/",
    "^snap url preview",
    "^bluesky cardyb",
    "^facebookcatalog/",
    "iframely/",
    "^chatgpt-user/",
    r"^node(js)?(/|$)",
    "^undici",
    "^(java-http-client|ktor-client|reqwest|http\\.rb|httpie)(/|$)",
    "^(kube-probe|googlehc)/",
];

/// Everything that says in its user agent that it is a bot.
pub(crate) fn bots() -> Bots {
    let mut bots = Bots::default();
    bots.append(&MORE_BOTS);
    bots
}

/// A visitor, known by a cookie and nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Visitor(Uuid);

impl Visitor {
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4())
    }

    pub(crate) fn id(self) -> Uuid {
        self.0
    }

    /// What events call the visitor: 32 hex digits.
    pub(crate) fn user_id(self) -> String {
        self.0.simple().to_string()
    }
}

/// Why a request makes no event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Silence {
    /// A HEAD request: nobody sees the page.
    Head,
    /// A known bot, or a client that does not say what it is. Every browser sends a user agent;
    /// those who leave it out are scripts, and would count as desktops if they counted.
    Bot,
}

/// One request for a page.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) visitor: Visitor,
    pub(crate) site_version: SiteVersion,
    pub(crate) silence: Option<Silence>,
    /// Whether the visitor wants the strip open.
    pub(crate) strip_open: bool,
    secure: bool,
}

impl Visit {
    /// The cookie that makes the next request the same visitor's; each page renews it.
    pub(crate) fn cookie(&self) -> Cookie<'static> {
        // browsers keep no cookie longer than 400 days
        self.private_cookie(COOKIE, self.visitor.user_id(), "/".to_owned(), time::Duration::days(400))
    }

    /// A cookie that only we read, sent back for `path` and below.
    pub(crate) fn private_cookie(
        &self,
        name: &'static str,
        value: String,
        path: String,
        kept: time::Duration,
    ) -> Cookie<'static> {
        Cookie::build(name, value)
            .path(path)
            .max_age(kept)
            .http_only(true)
            .same_site(SameSite::Lax)
            // a shop on plain HTTP, such as one on this machine, would never get it back
            .secure(self.secure)
            .finish()
    }
}

impl FromRequest for Visit {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    /// Refuses a browser that fetches ahead: it asks again when the visitor really comes, and that
    /// is the page view that counts. An answer would be shown later without our hearing of it.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let headers = request.headers();
        if is_ahead(headers) {
            return ready(Err(PageError::Ahead));
        }
        let user_agent = text(headers, USER_AGENT.as_str());
        let shop = request.app_data::<web::Data<Shop>>().expect("serve() sets it");
        let silence = if request.method() == Method::HEAD {
            Some(Silence::Head)
        } else if user_agent.trim().is_empty() || shop.bots.is_bot(user_agent) {
            Some(Silence::Bot)
        } else {
            None
        };
        let known = request.cookie(COOKIE).and_then(|cookie| read_id(cookie.value()));
        ready(Ok(Self {
            visitor: known.map_or_else(Visitor::new, Visitor),
            site_version: site_version(user_agent, text(headers, "sec-ch-ua-mobile")),
            silence,
            strip_open: request.cookie("strip").is_none_or(|cookie| cookie.value() != "off"),
            secure: request.connection_info().scheme() == "https",
        }))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// `Sec-Purpose` is the standard, `Purpose` and `X-Moz` what older browsers send.
fn is_ahead(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"]
        .iter()
        .any(|name| text(headers, name).split([';', ',']).any(|purpose| purpose.trim().starts_with("pre")))
}

/// The version of the site that a browser gets. An iPad that asks for desktop pages, as iPads do
/// unless told otherwise, cannot be told from a Mac.
fn site_version(user_agent: &str, mobile_hint: &str) -> SiteVersion {
    let has = |words: &[&str]| words.iter().any(|word| user_agent.contains(word));
    if has(&["iPad", "Tablet", "PlayBook", "Kindle"]) && !has(&["Tablet PC"]) {
        SiteVersion::Tablet
    } else if has(&["Mobi", "iPhone", "iPod", "Opera Mini", "Windows Phone"]) || mobile_hint == "?1" {
        SiteVersion::Mobile
    } else if has(&["TV", "BRAVIA", "CrKey", "AFT"]) {
        // a television has no touch screen; it gets what a desktop gets
        SiteVersion::Desktop
    } else if has(&["Android", "Silk/"]) {
        // Android's convention: without "Mobile" it is a tablet
        SiteVersion::Tablet
    } else {
        SiteVersion::Desktop
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    const PEOPLE: [(&str, SiteVersion); 16] = [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            SiteVersion::Desktop,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            SiteVersion::Desktop,
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
            SiteVersion::Desktop,
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", SiteVersion::Desktop),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            SiteVersion::Desktop,
        ),
        ("Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko", SiteVersion::Desktop),
        (
            "Mozilla/5.0 (Linux; Android 12; BRAVIA 4K VH22) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
            SiteVersion::Desktop,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            SiteVersion::Mobile,
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
            SiteVersion::Mobile,
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            SiteVersion::Mobile,
        ),
        ("Mozilla/5.0 (Android 15; Mobile; rv:142.0) Gecko/142.0 Firefox/142.0", SiteVersion::Mobile),
        ("Opera/9.80 (J2ME/MIDP; Opera Mini/9.80/191.273; U; en) Presto/2.12.423 Version/12.16", SiteVersion::Mobile),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            SiteVersion::Tablet,
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            SiteVersion::Tablet,
        ),
        ("Mozilla/5.0 (Android 15; Tablet; rv:142.0) Gecko/142.0 Firefox/142.0", SiteVersion::Tablet),
        (
            "Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/138.1 like Chrome/138.0.0.0 Safari/537.36",
            SiteVersion::Tablet,
        ),
    ];

    const BOTS: [&str; 18] = [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Twitterbot/1.0",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "Viber/13.0",
        "Mozilla/5.0 (compatible; Iframely/1.3.1; +https://iframely.com/docs/about)",
        "http.rb/5.2.0",
        "node",
        "curl/8.14.1",
        "Wget/1.25.0",
        "python-requests/2.32.4",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    ];

    #[test]
    fn a_browser_is_a_person_on_the_right_kind_of_device() {
        let bots = bots();
        for (user_agent, expected) in PEOPLE {
            assert_eq!(site_version(user_agent, ""), expected, "{user_agent}");
            assert!(!bots.is_bot(user_agent), "{user_agent}");
        }
        assert_eq!(site_version("Something/1.0", "?1"), SiteVersion::Mobile);
        assert_eq!(site_version("Something/1.0", "?0"), SiteVersion::Desktop);
    }

    #[test]
    fn crawlers_link_previews_and_tools_are_bots() {
        let bots = bots();
        for user_agent in BOTS {
            assert!(bots.is_bot(user_agent), "{user_agent}");
        }
    }

    #[test]
    fn a_browser_that_fetches_ahead_is_known_by_its_purpose() {
        let ahead = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            is_ahead(&headers)
        };
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
        ] {
            assert!(ahead(name, value), "{name}: {value}");
        }
        assert!(!ahead("sec-purpose", "translate"));
        assert!(!ahead("sec-fetch-mode", "navigate"));
    }
}
