//! GSSAPI (RFC 4752), both ends, as Java speaks it (`com.sun.security.sasl.gsskerb`): no security layer.
//!
//! What goes over the wire: tokens of the context, from the side that logs in first; once the context stands, a wrapped
//! offer of the server (1 byte of layers, 3 of the longest message), and a wrapped choice of the client (the same, and as
//! whom it wants to act, in UTF-8). What has nothing to say in its turn sends an empty token.

use std::error::Error;

/// A longer token is none, in bytes: tickets with a list of groups have some 64 KiB at most.
const TOKEN_MAX_BYTES: usize = 128 << 10;
/// Tokens that a context may take until it stands.
const STEPS_MAX: u32 = 8;
/// The layers that there are: none.
const NO_LAYER: u8 = 1;
/// What Java's server offers (the longest message of a layer, which is not used).
const OFFER: [u8; 4] = [NO_LAYER, 1, 0, 0];
/// What a client chooses that will send nothing in a layer, and act as itself.
const CHOICE: [u8; 4] = [NO_LAYER, 0, 0, 0];

/// A mechanism of GSSAPI: one context, of either side.
pub trait Context {
    /// Why it refuses.
    type Error: Error;

    /// Takes a token of the other side, or an empty one to begin with.
    ///
    /// # Errors
    /// The other side is not who it should be, or what it says is not understood.
    fn step(&mut self, token: &[u8]) -> Result<Step, Self::Error>;

    /// Signs bytes.
    ///
    /// # Errors
    /// The context does not stand.
    fn wrap(&mut self, plain: &[u8]) -> Result<Vec<u8>, Self::Error>;

    /// The bytes that the other side has signed.
    ///
    /// # Errors
    /// They are not its own.
    fn unwrap(&mut self, sealed: &[u8]) -> Result<Vec<u8>, Self::Error>;
}

/// What a step of a context has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is to be sent.
    pub token: Option<Vec<u8>>,
    /// Whether the context stands.
    pub stands: bool,
    /// Who has logged in, once it stands at the side that lets in.
    pub peer: Option<String>,
}

/// Why nobody is let in, or this side does not get in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GssapiError<E> {
    /// The mechanism refuses.
    #[error(transparent)]
    Mechanism(#[from] E),
    /// A token of a length that none has.
    #[error("a token of {0} bytes")]
    Length(usize),
    /// The context does not come to an end.
    #[error("its context takes too many steps")]
    Endless,
    /// It wants a security layer, or says nothing of one.
    #[error("it wants a security layer, or offers nothing else")]
    Layer,
    /// As whom it wants to act is not text.
    #[error("as whom it wants to act is not text")]
    NotText,
    /// All that there was to say has been said.
    #[error("the exchange is over already")]
    Over,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GssapiNext {
    /// This is to be sent, and an answer will come.
    Send(Vec<u8>),
    /// The principal is known; there is no token for that.
    Done {
        /// Who has logged in.
        principal: String,
        /// As whom it wants to act; itself if it says nothing.
        acts_as: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// So many tokens have come.
    Begins(u32),
    /// This principal is to take the last token of the context first.
    Stands(String),
    /// This one is to answer the offer.
    Offered(String),
    Over,
}

/// The end that lets in.
#[derive(Debug)]
pub struct GssapiServer<C> {
    context: C,
    state: State,
    stands: bool,
}

impl<C: Context> GssapiServer<C> {
    /// With a context that has seen nothing yet.
    pub const fn new(context: C) -> Self {
        Self { context, state: State::Begins(0), stands: false }
    }

    /// Takes what the client has sent.
    ///
    /// # Errors
    /// The client is not let in. Nothing more is to be taken from it.
    pub fn step(&mut self, token: &[u8]) -> Result<GssapiNext, GssapiError<C::Error>> {
        if token.len() > TOKEN_MAX_BYTES {
            self.state = State::Over;
            return Err(GssapiError::Length(token.len()));
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begins(STEPS_MAX..) => Err(GssapiError::Endless),
            State::Begins(steps) => {
                let Step { token, stands, peer } = self.context.step(token)?;
                self.stands = stands;
                match (stands.then_some(peer).flatten(), token) {
                    (Some(peer), None) => self.offer(peer),
                    (Some(peer), Some(token)) => {
                        self.state = State::Stands(peer);
                        Ok(GssapiNext::Send(token))
                    }
                    (None, token) => {
                        self.state = State::Begins(steps + 1);
                        Ok(GssapiNext::Send(token.unwrap_or_default()))
                    }
                }
            }
            State::Stands(peer) if token.is_empty() => self.offer(peer),
            State::Stands(_) => Err(GssapiError::Length(token.len())),
            State::Offered(principal) => {
                let choice = self.context.unwrap(token)?;
                let (choice, name) = choice.split_at_checked(4).ok_or(GssapiError::Layer)?;
                // Some clients name all that they could do.
                if choice[0] & NO_LAYER == 0 {
                    return Err(GssapiError::Layer);
                }
                let name = std::str::from_utf8(name).map_err(|_| GssapiError::NotText)?;
                let acts_as = if name.is_empty() { principal.clone() } else { name.to_owned() };
                Ok(GssapiNext::Done { principal, acts_as })
            }
            State::Over => Err(GssapiError::Over),
        }
    }

    /// Whether the client has shown a good ticket.
    pub const fn stands(&self) -> bool {
        self.stands
    }

    fn offer(&mut self, peer: String) -> Result<GssapiNext, GssapiError<C::Error>> {
        let offer = self.context.wrap(&OFFER)?;
        self.state = State::Offered(peer);
        Ok(GssapiNext::Send(offer))
    }
}

/// The end that logs in, as who has the tickets.
#[derive(Debug)]
pub struct GssapiClient<C> {
    context: C,
    state: Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// So many tokens were sent.
    Begins(u32),
    Stands,
    Chosen,
}

impl<C: Context> GssapiClient<C> {
    /// With a context that has seen nothing yet.
    pub const fn new(context: C) -> Self {
        Self { context, state: Turn::Begins(0) }
    }

    /// The answer to a challenge of the server; to an empty one to begin with.
    ///
    /// # Errors
    /// The server is not who it should be, or what it says is not understood.
    pub fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, GssapiError<C::Error>> {
        match self.state {
            Turn::Begins(STEPS_MAX..) => Err(GssapiError::Endless),
            Turn::Begins(steps) => {
                let step = self.context.step(challenge)?;
                self.state = if step.stands { Turn::Stands } else { Turn::Begins(steps + 1) };
                Ok(step.token.unwrap_or_default())
            }
            Turn::Stands => {
                let offer = self.context.unwrap(challenge)?;
                if offer.len() != OFFER.len() || offer[0] & NO_LAYER == 0 {
                    return Err(GssapiError::Layer);
                }
                self.state = Turn::Chosen;
                Ok(self.context.wrap(&CHOICE)?)
            }
            Turn::Chosen => Err(GssapiError::Over),
        }
    }

    /// Whether all has been said, and the server has proven who it is: its offer was signed with a key of the ticket, which
    /// nobody else can open.
    pub fn is_over(&self) -> bool {
        self.state == Turn::Chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A context that stands after so many tokens, and seals by a byte in front.
    struct Paper {
        steps: usize,
        answers: bool,
    }

    #[derive(Debug, PartialEq, Eq, thiserror::Error)]
    #[error("torn")]
    struct Torn;

    impl Context for Paper {
        type Error = Torn;

        fn step(&mut self, token: &[u8]) -> Result<Step, Torn> {
            if token == b"bad" {
                return Err(Torn);
            }
            self.steps = self.steps.saturating_sub(1);
            let stands = self.steps == 0;
            let token = (!stands || self.answers).then(|| b"step".to_vec());
            Ok(Step { token, stands, peer: stands.then(|| "bob@OXK.TEST".to_owned()) })
        }

        fn wrap(&mut self, plain: &[u8]) -> Result<Vec<u8>, Torn> {
            Ok([b"w", plain].concat())
        }

        fn unwrap(&mut self, sealed: &[u8]) -> Result<Vec<u8>, Torn> {
            sealed.strip_prefix(b"w").map(<[u8]>::to_vec).ok_or(Torn)
        }
    }

    fn server(steps: usize, answers: bool) -> GssapiServer<Paper> {
        GssapiServer::new(Paper { steps, answers })
    }

    fn sent(next: Result<GssapiNext, GssapiError<Torn>>) -> Vec<u8> {
        match next {
            Ok(GssapiNext::Send(token)) => token,
            other => panic!("{other:?}"),
        }
    }

    /// Both ends, with and without an answer of the context, and with one that takes longer.
    #[test]
    fn both_ends_come_to_an_end() {
        for (steps, answers) in [(1, false), (1, true), (3, true)] {
            let mut server = server(steps, answers);
            let mut client = GssapiClient::new(Paper { steps: steps + usize::from(answers), answers: false });
            let mut token = client.answer(b"").expect("a first token");
            let done = loop {
                match server.step(&token).expect("a good token") {
                    GssapiNext::Send(challenge) => {
                        token = client.answer(&challenge).expect("a good challenge")
                    }
                    done @ GssapiNext::Done { .. } => break done,
                }
            };
            let bob = || "bob@OXK.TEST".to_owned();
            assert_eq!(done, GssapiNext::Done { principal: bob(), acts_as: bob() });
            assert!(client.is_over());
            assert_eq!(server.step(b""), Err(GssapiError::Over));
        }
    }

    #[test]
    fn what_is_wrong_is_an_error_and_the_end() {
        let offered = || {
            let mut server = server(1, false);
            assert_eq!(sent(server.step(b"x")), [b"w", &OFFER[..]].concat());
            server
        };
        for (choice, expected) in [
            (&b"w\x01\0\0\0"[..], Ok("bob@OXK.TEST")),
            (b"w\x01\0\0\0eve", Ok("eve")),
            (b"w\x01\0\0\0\xff", Err(GssapiError::NotText)),
            (b"w\x01\0\0", Err(GssapiError::Layer)),
            (b"w\x02\0\0\0", Err(GssapiError::Layer)),
            (b"w\x07\0\0\0", Ok("bob@OXK.TEST")),
            (b"w", Err(GssapiError::Layer)),
            (b"x\x01\0\0\0", Err(GssapiError::Mechanism(Torn))),
        ] {
            let mut server = offered();
            let acts_as = match server.step(choice) {
                Ok(GssapiNext::Done { acts_as, .. }) => Ok(acts_as),
                Ok(next) => panic!("{next:?}"),
                Err(error) => Err(error),
            };
            assert_eq!(acts_as.as_deref(), expected.as_ref().copied(), "{choice:?}");
            assert_eq!(server.step(b""), Err(GssapiError::Over));
        }
        let mut refused = server(1, false);
        assert_eq!(refused.step(b"bad"), Err(GssapiError::Mechanism(Torn)));
        assert_eq!(refused.step(b"x"), Err(GssapiError::Over));
        let long = vec![0; TOKEN_MAX_BYTES + 1];
        assert_eq!(server(1, false).step(&long), Err(GssapiError::Length(long.len())));
        let mut endless = server(usize::MAX, true);
        for _ in 0..STEPS_MAX {
            assert_eq!(sent(endless.step(b"x")), b"step");
        }
        assert_eq!(endless.step(b"x"), Err(GssapiError::Endless));
        let mut standing = server(1, true);
        assert_eq!(sent(standing.step(b"x")), b"step");
        assert_eq!(standing.step(b"more"), Err(GssapiError::Length(4)));
    }

    #[test]
    fn a_client_takes_no_layer_and_no_unsigned_offer() {
        for (offer, expected) in [
            (&b"w\x07\0\xff\xff"[..], Ok(b"w\x01\0\0\0".to_vec())),
            (b"w\x06\0\xff\xff", Err(GssapiError::Layer)),
            (b"w\x01", Err(GssapiError::Layer)),
            (b"x\x01\0\0\0", Err(GssapiError::Mechanism(Torn))),
        ] {
            let mut client = GssapiClient::new(Paper { steps: 1, answers: true });
            assert_eq!(client.answer(b""), Ok(b"step".to_vec()));
            assert_eq!(client.answer(offer), expected);
            assert_eq!(client.is_over(), expected.is_ok());
        }
    }
}
