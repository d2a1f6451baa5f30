package schemas

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Clause is a part of the sentence that a card of the block shows: text, and a parameter's value
// behind it.
type Clause struct {
	Text string `json:"text"`
	// Fields are parameters. The first that has a value is shown; none for a clause of mere text.
	Fields []string `json:"fields,omitempty"`
	// Optional clauses are left out while no parameter has a value.
	Optional bool `json:"optional,omitempty"`
}

// Template is a workflow to start from, in the words that somebody would give an assistant.
type Template struct {
	Title    string   `json:"title"`
	Prompt   string   `json:"prompt"`
	Category string   `json:"category"`
	Modules  []string `json:"modules"`
	Tags     []string `json:"tags"`
	// With are the host's other integrations in it.
	With []string `json:"with,omitempty"`
}

// Skill is knowledge for an agent that may call the block.
type Skill struct {
	Name        string `json:"name"` // lower-case words joined by hyphens
	Description string `json:"description"`
	Content     string `json:"content"` // Markdown
}

var (
	// clausePattern takes a sentence apart: [for {userId|anonymousId}], {event}, or text before them.
	clausePattern = regexp.MustCompile(`\[([^][{}]*)\{([\w|]+)\}\]|([^][{}]*)\{([\w|]+)\}|([^][{}]+)`)
	skillPattern  = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
)

// guide reads what a host's catalog and canvas show beyond the parameters. All of it is optional.
func (r *reader) guide(root *yaml.Node, m *Manifest) {
	m.Sentence = r.sentence(root, m)
	for _, n := range r.list(root, "templates") {
		r.keys(n, "templates[].")
		t := Template{
			Title: r.text(n, "title"), Prompt: strings.Join(strings.Fields(r.text(n, "prompt")), " "),
			Category: r.text(n, "category"), Modules: r.words(n, "modules"), Tags: r.words(n, "tags"), With: r.words(n, "with"),
		}
		categories := []string{"popular", "sales", "support", "engineering", "marketing", "productivity", "operations"}
		if t.Category != "" && !slices.Contains(categories, t.Category) {
			r.fail(n, "category must be one of %q: %q", categories, t.Category)
		}
		modules := []string{"agent", "files", "knowledge-base", "scheduled", "tables", "workflows"}
		for _, name := range t.Modules {
			if !slices.Contains(modules, name) {
				r.fail(n, "modules must be of %q: %q", modules, name)
			}
		}
		if len(t.Modules) == 0 || len(t.Tags) == 0 {
			r.fail(n, "modules and tags must be given, one at least")
		}
		m.Templates = append(m.Templates, t)
	}
	for _, n := range r.list(root, "skills") {
		r.keys(n, "skills[].")
		s := Skill{r.text(n, "name"), r.text(n, "description"), r.text(n, "content")}
		if s.Name != "" && !skillPattern.MatchString(s.Name) {
			r.fail(n, "name must be lower-case words joined by hyphens: %q", s.Name)
		}
		if s.Content != "" && m.ID != "" && !strings.Contains(s.Content, m.ID) {
			r.fail(n, "content must name the block that it is about: %q", m.ID)
		}
		m.Skills = append(m.Skills, s)
	}
}

func (r *reader) list(root *yaml.Node, key string) []*yaml.Node {
	n := child(root, key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || slices.ContainsFunc(n.Content, func(c *yaml.Node) bool {
		return c.Kind != yaml.MappingNode
	}) {
		r.fail(n, "%s must be a list of mappings", key)
		return nil
	}
	return n.Content
}

// sentence reads one such as Track {event} [for {userId|anonymousId}], in which brackets stand
// around what is left out while it has no value.
func (r *reader) sentence(root *yaml.Node, m *Manifest) (clauses []Clause) {
	text, n := r.optionalText(root, "sentence"), child(root, "sentence")
	rest := text
	for rest != "" {
		at := clausePattern.FindStringSubmatchIndex(rest)
		if at == nil || at[0] != 0 {
			r.fail(n, "sentence must be text with {parameter}, and [text {parameter}] where it may be left out: %q", text)
			return nil
		}
		part := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return rest[at[2*i]:at[2*i+1]]
		}
		c := Clause{Text: strings.TrimSpace(part(1) + part(3) + part(5)), Optional: at[2] >= 0}
		if names := part(2) + part(4); names != "" {
			c.Fields = strings.Split(names, "|")
		}
		for _, name := range c.Fields {
			if m.Input != nil && Find(m.Input.Fields(), name) == nil {
				r.fail(n, "sentence names a parameter that the block does not have: %q", name)
			}
		}
		if c.Text != "" || c.Fields != nil {
			clauses = append(clauses, c)
		}
		rest = rest[at[1]:]
	}
	return clauses
}
