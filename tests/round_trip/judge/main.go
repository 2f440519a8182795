// Reads requests as lines of JSON, each with the document it was made for, and says whether the document allows it.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

type Case struct {
	Document json.RawMessage `json:"document"`
	Method   string          `json:"method"`
	URL      string          `json:"url"`
	Headers  [][2]string     `json:"headers"`
	Body     *string         `json:"body"`
}

func judge(line []byte) (string, error) {
	var c Case
	if err := json.Unmarshal(line, &c); err != nil {
		return "", err
	}
	doc, err := openapi3.NewLoader().LoadFromData(c.Document)
	if err != nil {
		return "", err
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return "", err
	}
	var body []byte
	if c.Body != nil {
		if body, err = base64.StdEncoding.DecodeString(*c.Body); err != nil {
			return "", err
		}
	}
	request, err := http.NewRequest(c.Method, c.URL, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	if c.Body == nil {
		request.Body = nil
	}
	for _, h := range c.Headers {
		request.Header.Add(h[0], h[1])
	}
	route, parameters, err := router.FindRoute(request)
	if err != nil {
		return "route: " + err.Error(), nil
	}
	err = openapi3filter.ValidateRequest(request.Context(), &openapi3filter.RequestValidationInput{
		Request: request, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
	if err != nil {
		return err.Error(), nil
	}
	return "", nil
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		refusal, err := judge(line)
		answer := map[string]string{"refusal": refusal}
		if err != nil {
			answer = map[string]string{"failure": err.Error()}
		}
		if out.Encode(answer) != nil {
			return
		}
	}
}
