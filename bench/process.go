package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// process is another process of this program, which is a worker or the sink. It reads questions and
// writes answers, each as one line of JSON.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	ask    *json.Encoder
	answer *json.Decoder
}

func start(ctx context.Context, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // it is this program
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %q: %w", args, err)
	}
	return &process{cmd, in, json.NewEncoder(in), json.NewDecoder(out)}, nil
}

func (p *process) call(question, answer any) error {
	if err := p.ask.Encode(question); err != nil {
		return err
	}
	return p.answer.Decode(answer)
}

// stop closes the process's stdin, which ends the process, as the end of this program would.
func (p *process) stop() error {
	_ = p.in.Close()
	return p.cmd.Wait()
}

// loop answers questions until the input ends.
func loop[Q, A any](in io.Reader, out io.Writer, answer func(Q) (A, error)) error {
	questions, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Q
		switch err := questions.Decode(&q); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		a, err := answer(q)
		if err != nil {
			return err
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}
