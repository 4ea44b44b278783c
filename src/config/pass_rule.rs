//! What a client may pass on to its own account: `GET /calls/{id}`, `GET /numbers/**`.

use std::str::FromStr;

/// A method and paths. `{x}` stands for any one segment, a trailing `**` for the path before it and
/// everything below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassRule {
    text: String,
    method: &'static str,
    segments: Vec<Segment>,
    and_below: bool,
}

/// Longest rule, in bytes.
const MAX_RULE_BYTES: usize = 256;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Served by the facade in every respect: past it, ids and journal would be wrong.
const NEVER_PASSED: [&str; 4] = ["campaigns", "campaigncalls", "outplans", "outdials"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    Any,
}

impl PassRule {
    /// Whether a request with this method and these decoded path segments may pass.
    pub fn allows(&self, method: &str, path: &[String]) -> bool {
        let served = path.first().is_some_and(|first| NEVER_PASSED.contains(&first.as_str()));
        let below = path.len().checked_sub(self.segments.len());
        let right_length = below.is_some_and(|below| below == 0 || self.and_below);
        let fits = |(rule, segment): (&Segment, &String)| match rule {
            Segment::Fixed(fixed) => fixed == segment,
            Segment::Any => true,
        };
        !served && right_length && method == self.method && self.segments.iter().zip(path).all(fits)
    }

    pub fn method(&self) -> &'static str {
        self.method
    }

    /// As it was configured; it holds nothing of any request.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PassRule {
    /// What was expected instead.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || "a method and a path, such as \"GET /calls/{id}\" or \"GET /numbers/**\"";
        if text.len() > MAX_RULE_BYTES {
            return Err(format!("at most {MAX_RULE_BYTES} bytes"));
        }
        let (method, path) = text.split_once(' ').ok_or_else(shape)?;
        let method = METHODS.into_iter().find(|known| *known == method);
        let method = method.ok_or_else(|| format!("one of {}", METHODS.join(", ")))?;
        let path = path.strip_prefix('/').ok_or_else(shape)?;
        let (path, and_below) = match path.strip_suffix("**") {
            Some(path) => (path.strip_suffix('/').unwrap_or(path), true),
            None => (path, false),
        };
        let texts = path.split('/').filter(|_| !(and_below && path.is_empty()));
        let segments = texts.map(Segment::from_str).collect::<Result<Vec<_>, _>>()?;
        if let Some(Segment::Fixed(first)) = segments.first()
            && NEVER_PASSED.contains(&first.as_str())
        {
            return Err(format!(
                "a path that the facade does not serve itself, as it does /{first}"
            ));
        }
        Ok(Self { text: text.to_owned(), method, segments, and_below })
    }
}

impl FromStr for Segment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
        if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let sound = !name.is_empty() && name.chars().all(plain);
            return sound.then_some(Segment::Any).ok_or("a name between { and }".to_owned());
        }
        if text.is_empty() || matches!(text, "." | "..") || !text.chars().all(plain) {
            return Err("segments of letters, digits and -_.~, or {x}, or ** at the end".to_owned());
        }
        Ok(Segment::Fixed(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, method: &str, path: &str) -> bool {
        let path: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        rule.parse::<PassRule>().expect("a rule").allows(method, &path)
    }

    #[test]
    fn a_rule_allows_what_it_says_and_nothing_else() {
        for (rule, method, path, allowed) in [
            ("GET /calls", "GET", "/calls", true),
            ("GET /calls", "POST", "/calls", false),
            ("GET /calls", "HEAD", "/calls", false),
            ("GET /calls", "GET", "/calls/1", false),
            ("GET /calls", "GET", "/call", false),
            ("GET /calls/{id}", "GET", "/calls/1", true),
            ("GET /calls/{id}", "GET", "/calls", false),
            ("GET /calls/{id}", "GET", "/calls/1/talk", false),
            ("POST /calls/{id}/talk", "POST", "/calls/1/talk", true),
            ("GET /numbers/**", "GET", "/numbers", true),
            ("GET /numbers/**", "GET", "/numbers/1/2", true),
            ("GET /numbers/**", "GET", "/numbersx", false),
            ("GET /**", "GET", "/anything/at/all", true),
            ("GET /**", "GET", "/campaigns/1", false),
            ("GET /{x}/**", "GET", "/outdials/1", false),
            ("PUT /{x}", "PUT", "/customer", true),
        ] {
            assert_eq!(allows(rule, method, path), allowed, "{rule}: {method} {path}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "GET",
            "/calls",
            "get /calls",
            "TRACE /calls",
            "GET calls",
            "GET /",
            "GET //calls",
            "GET /calls/",
            "GET /calls/../x",
            "GET /calls/%2e",
            "GET /calls/{}",
            "GET /calls/{a/b}",
            "GET /**/calls",
            "GET /ca*ls",
            "GET /calls?x=1",
            "DELETE /campaigns/{id}",
            "GET /outplans/**",
        ] {
            assert!(text.parse::<PassRule>().is_err(), "{text:?}");
        }
        assert!(format!("GET /{}", "a".repeat(MAX_RULE_BYTES)).parse::<PassRule>().is_err());
    }
}
