package cli

import (
	"errors"
	"strings"

	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

// exitCode is what the process ends with.
type exitCode int

const (
	exitOK          exitCode = 0
	exitFailure     exitCode = 1
	exitUsage       exitCode = 2
	exitRejected    exitCode = 3
	exitCredentials exitCode = 4
	exitUnreachable exitCode = 5
	exitPartial     exitCode = 6
	exitInterrupted exitCode = 130
)

// exitCodes documents the codes, in order. The help topic is made of it.
func exitCodes() []struct {
	code    exitCode
	meaning string
} {
	return []struct {
		code    exitCode
		meaning string
	}{
		{exitOK, "it worked: what was sent has been accepted, what was checked is in order"},
		{exitFailure, "it failed for a reason that none of the codes below names"},
		{exitUsage, "the command line, the configuration or the input is not valid; nothing was sent"},
		{exitRejected, "the receiver refused what was sent, and would again"},
		{exitCredentials, "there is no write key, or the receiver refuses it"},
		{exitUnreachable, "no answer, a rate limit, or the time was up, after all retries; may succeed later"},
		{exitPartial, "some messages of a batch or lines of an import were accepted and others not; the error or the rejects say which"},
		{exitInterrupted, "it was interrupted (Ctrl-C, SIGTERM); an emulator that is interrupted ends with 0"},
	}
}

// exitOf returns the code for the error of an invocation.
func exitOf(e *runtime.Error) exitCode {
	switch e.Code {
	case runtime.InvalidInput, runtime.UnresolvedReference, runtime.UnknownBlock, runtime.UnknownSource:
		return exitUsage
	case runtime.TooLarge:
		if e.Status != 0 {
			return exitRejected
		}
		return exitUsage
	case runtime.Rejected:
		return exitRejected
	case runtime.MissingCredential, runtime.Unauthorized:
		return exitCredentials
	case runtime.RateLimited, runtime.Unavailable, runtime.DeadlineExceeded:
		return exitUnreachable
	case runtime.PartialFailure:
		return exitPartial
	case runtime.Canceled:
		return exitInterrupted
	}
	return exitFailure
}

// sourceFailure gives an error about a source its code.
func sourceFailure(err error) error {
	var own *tracking.Error
	if errors.As(err, &own) && own.Kind == tracking.KindCredentialMissing {
		return &failure{exitCredentials, string(runtime.MissingCredential), err.Error(), err}
	}
	message := strings.TrimPrefix(err.Error(), "new runtime: ")
	if strings.Contains(message, "must use https") {
		message += "; SEGMENT_ALLOW_INSECURE=true or the source's allowInsecure allows it"
	}
	return &failure{exitUsage, string(runtime.UnknownSource), message, err}
}
