package console

import "github.com/aacflow/segment-blocks/runtime"

// ExitCode is what the process ends with.
type ExitCode int

// The exit codes. [ExitCodes] says what each means.
const (
	ExitOK          ExitCode = 0
	ExitFailure     ExitCode = 1
	ExitUsage       ExitCode = 2
	ExitRejected    ExitCode = 3
	ExitCredentials ExitCode = 4
	ExitUnreachable ExitCode = 5
	ExitPartial     ExitCode = 6
	ExitInterrupted ExitCode = 130
)

// Exit is an exit code and what it means.
type Exit struct {
	Code    ExitCode
	Meaning string
}

// ExitCodes lists the exit codes in order, for the help.
func ExitCodes() []Exit {
	return []Exit{
		{ExitOK, "it worked: what was sent has been accepted, what was checked is in order"},
		{ExitFailure, "it failed for a reason that none of the codes below names"},
		{ExitUsage, "the command line, the configuration or the input is not valid; nothing was sent"},
		{ExitRejected, "the receiver refused what was sent, and would again"},
		{ExitCredentials, "there is no write key, or the receiver refuses it"},
		{ExitUnreachable, "no answer, a rate limit, or the time was up, after all retries; may succeed later"},
		{ExitPartial, "some messages of a batch or lines of an import were accepted and others not; " +
			"the error or the rejects say which"},
		{ExitInterrupted, "it was interrupted (Ctrl-C, SIGTERM); an emulator that is interrupted ends with 0"},
	}
}

// ExitOf returns the code for the error of an invocation. What is too large for a limit of this
// program was not sent, so the input is at fault; a receiver that finds it too large has refused
// it.
func ExitOf(e *runtime.Error) ExitCode {
	switch e.Code {
	case runtime.InvalidInput, runtime.UnresolvedReference, runtime.UnknownBlock, runtime.UnknownSource:
		return ExitUsage
	case runtime.TooLarge:
		if e.Status != 0 {
			return ExitRejected
		}
		return ExitUsage
	case runtime.Rejected:
		return ExitRejected
	case runtime.MissingCredential, runtime.Unauthorized:
		return ExitCredentials
	case runtime.RateLimited, runtime.Unavailable, runtime.DeadlineExceeded:
		return ExitUnreachable
	case runtime.PartialFailure:
		return ExitPartial
	case runtime.Canceled:
		return ExitInterrupted
	}
	return ExitFailure
}
