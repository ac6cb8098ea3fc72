// device-plugin offers invented devices to a kubelet, over its real socket.
//
//	device-plugin RESOURCE COUNT
//
// A container that is given some finds their names in NVIDIA_VISIBLE_DEVICES, as it would from NVIDIA's plugin.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	socketName  = "computegate-test.sock"
	callTimeout = 10 * time.Second
)

type plugin struct {
	v1beta1.UnimplementedDevicePluginServer
	devices []*v1beta1.Device
}

func (p *plugin) GetDevicePluginOptions(context.Context, *v1beta1.Empty) (*v1beta1.DevicePluginOptions, error) {
	return &v1beta1.DevicePluginOptions{}, nil
}

// ListAndWatch says once which devices there are: all are healthy for as long as we run.
func (p *plugin) ListAndWatch(_ *v1beta1.Empty, stream grpc.ServerStreamingServer[v1beta1.ListAndWatchResponse]) error {
	if err := stream.Send(&v1beta1.ListAndWatchResponse{Devices: p.devices}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (p *plugin) Allocate(_ context.Context, asked *v1beta1.AllocateRequest) (*v1beta1.AllocateResponse, error) {
	answer := &v1beta1.AllocateResponse{}
	for _, container := range asked.ContainerRequests {
		given := map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(container.DevicesIds, ",")}
		answer.ContainerResponses = append(answer.ContainerResponses, &v1beta1.ContainerAllocateResponse{Envs: given})
	}
	return answer, nil
}

func register(resource string) error {
	kubelet, err := grpc.NewClient("unix://"+v1beta1.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer kubelet.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err = v1beta1.NewRegistrationClient(kubelet).Register(ctx, &v1beta1.RegisterRequest{
		Version: v1beta1.Version, Endpoint: socketName, ResourceName: resource,
	})
	return err
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: device-plugin RESOURCE COUNT")
	}
	resource := os.Args[1]
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	offered := &plugin{}
	for i := range count {
		offered.devices = append(offered.devices, &v1beta1.Device{ID: fmt.Sprintf("fake-%d", i), Health: v1beta1.Healthy})
	}
	socket := filepath.Join(v1beta1.DevicePluginPath, socketName)
	for { // a kubelet that starts anew removes the sockets, and knows no plugin
		listener, err := net.Listen("unix", socket)
		if err != nil {
			log.Fatal(err)
		}
		server := grpc.NewServer()
		v1beta1.RegisterDevicePluginServer(server, offered)
		go server.Serve(listener)
		if err := register(resource); err != nil {
			log.Fatal(err)
		}
		log.Printf("%d of %s are offered", count, resource)
		for _, err := os.Stat(socket); err == nil; _, err = os.Stat(socket) {
			time.Sleep(time.Second)
		}
		server.Stop()
	}
}
