/** The microphone, as a WAV file when it is stopped. */
import { wav } from './pixels';

/** Seconds after which a recording ends by itself. */
const LONGEST = 30;

/** Start to record. */
export async function record(): Promise<{ stop: () => Promise<File> }> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  const end = window.setTimeout(() => recorder.state === 'recording' && recorder.stop(), LONGEST * 1000);
  const stopped = new Promise<void>((resolve) => (recorder.onstop = () => resolve()));
  return {
    stop: async () => {
      window.clearTimeout(end);
      if (recorder.state === 'recording') recorder.stop();
      await stopped;
      for (const track of stream.getTracks()) track.stop();
      const context = new AudioContext();
      const sound = await context.decodeAudioData(await new Blob(parts).arrayBuffer());
      const file = new File([wav(sound.getChannelData(0), sound.sampleRate)], 'recording.wav');
      await context.close();
      return file;
    },
  };
}
