"""The one tree of errors, one file per family: facts for a person and a program, never a protocol.

    ModelwrightError
    ├── ManifestError            the file is wrong; carries every Fault found
    ├── StartError               a part cannot start
    │   ├── PortInUse, MissingExtra, AlreadyRunning, NotRunning
    │   └── BadModelFile
    ├── EngineEnded              an engine's own server has ended; the next start may go better
    ├── AccessError              an access key cannot be made, found or revoked
    │   └── KeyNameTaken, KeyNotFound
    ├── CannotConvert            a model cannot be written in this format, or would answer otherwise there
    ├── PromptError              a prompt's file cannot be used
    ├── RegistryError            the registry cannot do it, or what it holds cannot be used
    │   ├── NotRegistered        no such name, version or content
    │   ├── VersionTaken         a version is there with other content
    │   ├── AliasHasMoved        an alias means something else than was expected
    │   └── VersionInUse         a version that serves, or that an alias means, is not removed
    ├── ArtifactError            a model's files cannot be kept, or cannot be brought here
    │   ├── ArtifactMissing      nothing of this digest is kept there
    │   ├── ArtifactDamaged      what was found is not of the digest that it should have
    │   └── SourceUnavailable    where they are kept does not answer now
    ├── BackupError              a backup cannot be made; none of it was kept
    ├── RestoreError             a backup cannot be put back; nothing was changed
    │   └── BackupDamaged, WrongKey
    ├── DeployError              a deploy cannot be planned, or cannot go on
    │   ├── TargetUnreachable, StepFailed
    │   ├── KeeperLost           what remembers an environment is not there any more, but its memory is
    │   ├── Drifted              the target is not as it was when the plan was made
    │   ├── Interrupted          another plan was begun there and has not ended
    │   ├── LeaseHeld, LeaseLost
    │   ├── Undone               it was undone: what served before serves
    │   ├── OnTrial              a release stays on trial until somebody decides
    │   ├── NothingOpen          there is nothing to go on with, to give up or to decide
    │   ├── NoWayBack            a release is not known any more, or something of it is missing
    │   ├── BuildFailed          an image cannot be built, or not be brought to where it is needed
    │   ├── ScanFailed           an image has known weaknesses, or nobody could look
    │   └── CertificateRefused   an authority gives no certificate for a host
    └── CallError                one call fails; the doors turn `code` into a status (core/wire/status.py)
        ├── Malformed            the request cannot be read
        │   └── ContextTooLong   prompt and answer do not fit the model
        ├── UnknownPath, MethodNotAllowed
        ├── Unauthenticated, Forbidden, UnknownEndpoint, TooLarge, Unprocessable
        ├── UnknownTask, TaskConflict, TasksUnavailable
        ├── GuardBlocked         a guard does not let the question or its answer through
        ├── GuardFailed          a guard could not judge, and what it cannot judge does not pass
        ├── Overloaded           our own bound was reached; carries retry_after
        ├── RateLimited          a limit that the manifest sets for the caller; carries retry_after
        │   └── BudgetExhausted  likewise, of money
        ├── Unpriced             nobody knows what the call would cost, and a budget has to
        ├── IdentityUnavailable  who calls cannot be told now
        ├── LimitsUnavailable    limits cannot be counted now, and the manifest says to refuse then
        ├── LedgerUnavailable    the call cannot be written down, so it is not made
        ├── ProviderOff          an optional provider whose settings are missing
        ├── ProviderUnavailable  a provider that failed too often is left alone for a while
        ├── ModelUnavailable     our own engine is loading or was lost; retryable
        ├── PromptFailed         a variant's prompt cannot be filled in
        ├── EngineFailed         our own engine refused or crashed on this very input
        ├── Stopped              the client left
        ├── Draining             the process stops and can take or finish no more
        └── ProviderError        the other side failed
            ├── ProviderAuth, ProviderRateLimited, ProviderOverloaded, ProviderUnreachable, ProviderTimeout
            └── UpstreamStalled, UpstreamTruncated

Every error has a stable `code`, a `message` that names the place and the problem, and a `hint` that says what to do.
"""
