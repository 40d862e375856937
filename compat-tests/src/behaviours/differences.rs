//! Where oxkeeper deliberately answers otherwise than the official server.

/// A deliberate deviation of oxkeeper: what it answers where the official server does something less safe.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The case in which it shows.
    pub case: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Labels of transcript lines and what oxkeeper shows there; an empty text means that the line is missing.
    pub lines: &'static [(&'static str, &'static str)],
}

/// All deliberate deviations.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        case: "wrong-password-and-owner",
        reason: "the password is checked before the owner's connection is closed: guessing disturbs nobody",
        lines: &[("c1 the owner afterwards", "open")],
    },
    Difference {
        case: "delete-container-from-a-client",
        reason: "opcode 20 belongs to the server itself; it looks at no ACL",
        lines: &[
            ("c1 deleteContainer", "00000002 z-1 fffffffa ; UNIMPLEMENTED"),
            ("c1 afterwards", "closed"),
        ],
    },
    Difference {
        case: "delete-container-without-permission",
        reason: "the same on an ordinary node that the client may not delete",
        lines: &[
            ("c1 deleteContainer of an ordinary node", "00000003 z-1 fffffffa ; UNIMPLEMENTED"),
            ("c1 afterwards", "closed"),
            (
                "c2 exists \"/b105\"",
                "00000001 z+4 00000000 { z+2 z+2 tnow t=c 00000000 00000000 00000000 s0 00000001 00000000 z+2 }",
            ),
        ],
    },
    Difference {
        case: "create-session-as-a-request",
        reason: "opcode -10 belongs to the server itself",
        lines: &[
            ("c1 hello after createSession", "00000001 z-1 fffffffa ; UNIMPLEMENTED"),
            ("c1 afterwards", "closed"),
        ],
    },
    Difference {
        case: "set-watches-without-permission",
        reason: "3.9.5 tells a session what happens to znodes that it may not read; 3.9.6 and 3.8.7 do not",
        lines: &[("c1 event", "")],
    },
];
