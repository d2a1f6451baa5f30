package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// composeService is what the compose file says of the service segment-blocks.
type composeService struct {
	Command     []string
	Environment map[string]string
	Secrets     []string
	Volumes     []struct{ Source, Target string }
	Ports       []string
	Grace       string `yaml:"stop_grace_period"`
}

func readCompose(t *testing.T, file, service string) composeService {
	var doc struct{ Services map[string]composeService }
	require.NoError(t, yaml.Unmarshal([]byte(readRoot(t, "examples", "compose", file)), &doc))
	require.Contains(t, doc.Services, service)
	return doc.Services[service]
}

// flagOf returns the value of a flag of the command.
func (s composeService) flagOf(t *testing.T, name string) string {
	for _, argument := range s.Command {
		if value, ok := strings.CutPrefix(argument, "--"+name+"="); ok {
			return value
		}
	}
	require.Fail(t, "the command has no such flag", name)
	return ""
}

// The service of the compose file, run with its own command and environment, lets in whom it
// should. What differs from the container is the port, and where the two mounted files lie.
func TestComposeServiceServes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals")
	}
	const name, token = "segment-blocks", "a-token-for-this-test-only"
	service := readCompose(t, "segment-blocks.compose.yaml", name)
	require.Equal(t, name, service.flagOf(t, "allow-host"))
	require.Equal(t, "/run/secrets/"+service.Secrets[0], service.flagOf(t, "token-file"),
		"this is where Compose mounts a secret")
	require.Equal(t, service.Volumes[0].Target, service.flagOf(t, "config"))
	port := strings.TrimPrefix(service.flagOf(t, "addr"), "0.0.0.0")
	require.Equal(t, []string{"127.0.0.1" + port + port}, service.Ports)
	grace, err := time.ParseDuration(service.Grace)
	require.NoError(t, err)
	require.Greater(t, grace, 30*time.Second, "--drain")

	tokenFile := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte(token+"\n"), 0o600))
	freeAddr := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		_, free, _ := net.SplitHostPort(ln.Addr().String())
		return ":" + free
	}()
	here := strings.NewReplacer("0.0.0.0"+port, "0.0.0.0"+freeAddr, service.flagOf(t, "token-file"), tokenFile,
		service.flagOf(t, "config"), filepath.Join("..", "..", "examples", "compose", service.Volumes[0].Source))
	var arguments []string
	for _, argument := range service.Command {
		arguments = append(arguments, here.Replace(argument))
	}
	cmd := exec.CommandContext(t.Context(), built(t, ""), arguments...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	for variable, value := range service.Environment {
		require.Contains(t, value, "${"+variable+"?", "it must be set, and comes from whoever starts it")
		cmd.Env = append(cmd.Env, variable+"="+secretKey)
	}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})

	ask := func(method, path, host, bearer, body string) (int, string) {
		req, err := http.NewRequest(method, "http://127.0.0.1"+freeAddr+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		answer, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(answer)
	}
	require.Eventually(t, func() bool {
		status, _ := ask(http.MethodGet, "/readyz", name+port, "", "")
		return status == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond, "it never got ready")

	status, answer := ask(http.MethodGet, "/v1/blocks", name+port, token, "")
	require.Equal(t, http.StatusOK, status, answer)
	initialize := `{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
		"capabilities": {},
		"clientInfo": {"name": "test", "version": "1"}}}`
	for _, path := range []string{"/mcp", "/mcp/prod"} {
		status, answer = ask(http.MethodPost, path, name+port, token, initialize)
		require.Equal(t, http.StatusOK, status, answer)
		require.Contains(t, answer, `"serverInfo"`)
	}
	for _, tt := range []struct {
		host, token string
		status      int
		code        string
	}{
		{name + port, token, http.StatusOK, ""},
		{"127.0.0.1" + port, token, http.StatusOK, ""}, // through the published port
		{name + port, "", http.StatusUnauthorized, "unauthenticated"},
		{name + port, "another-token-of-that-size", http.StatusUnauthorized, "unauthenticated"},
		{"other" + port, token, http.StatusForbidden, "host_not_allowed"},
	} {
		status, answer = ask(http.MethodGet, "/v1/blocks", tt.host, tt.token, "")
		require.Equal(t, tt.status, status, "%s: %s", tt.host, answer)
		if tt.code != "" {
			var problem struct{ Code string }
			require.NoError(t, json.Unmarshal([]byte(answer), &problem))
			require.Equal(t, tt.code, problem.Code)
		}
	}

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM)) // as docker stop does
	require.NoError(t, cmd.Wait(), "%s", stderr.String())
	stopped = true
	require.Contains(t, stdout.String(), "https://events.eu1.segmentapis.com")
	require.NotContains(t, stdout.String()+stderr.String(), secretKey)
	require.NotContains(t, stdout.String()+stderr.String(), token)
}

// What Sim is told, and what the guide says, is the name and port of the service.
func TestComposeNamesAgree(t *testing.T) {
	app := readCompose(t, "sim.compose.yaml", "simstudio")
	require.Equal(t, "segment-blocks${MORE_MCP_DOMAINS:+,$MORE_MCP_DOMAINS}", app.Environment["ALLOWED_MCP_DOMAINS"])
	url := regexp.MustCompile(`http://segment-blocks:8787/mcp`)
	for _, file := range [][]string{{"docs", "mcp.md"}, {"examples", "compose", "segment-blocks.compose.yaml"}} {
		require.Regexp(t, url, readRoot(t, file...))
	}
	require.Contains(t, readRoot(t, "Dockerfile"), "EXPOSE 8787\n")
}

// The default command of the image must not start without a token.
func TestImageNeedsToken(t *testing.T) {
	m := regexp.MustCompile(`(?m)^CMD (\[.*\])$`).FindStringSubmatch(readRoot(t, "Dockerfile"))
	require.NotNil(t, m)
	var arguments []string
	require.NoError(t, json.Unmarshal([]byte(m[1]), &arguments))
	cmd := exec.CommandContext(t.Context(), built(t, ""), arguments...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir}
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 2, cmd.ProcessState.ExitCode(), "%s", out)
	require.Contains(t, string(out), "set SEGMENT_BLOCKS_TOKEN")
}
